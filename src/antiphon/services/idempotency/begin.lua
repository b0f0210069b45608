-- Begins a call under a key, or says what is there already.
-- KEYS: what is kept under the key; what its caller has used up
-- ARGV: the mark of the inputs, a token, how long the call may take, the most keys of a caller, the window they count in
-- Answers 'begun', 'running', 'other', 'kept' with the answer, or 'full' with the time until there is room. Times are
-- milliseconds.
local held = redis.call('HMGET', KEYS[1], 'inputs', 'answer')
if held[1] then
  if held[1] ~= ARGV[1] then return {'other'} end
  if held[2] then return {'kept', held[2]} end
  return {'running'}
end
local used = tonumber(redis.call('HGET', KEYS[2], 'keys') or '0')
if used >= tonumber(ARGV[4]) then return {'full', redis.call('PTTL', KEYS[2])} end
redis.call('HSET', KEYS[1], 'inputs', ARGV[1], 'token', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], 'keys', 1)
if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return {'begun'}
