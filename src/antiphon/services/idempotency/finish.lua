-- Ends a call under a key: keeps its answer, or forgets that it ran.
-- KEYS: what is kept under the key; what its caller has used up
-- ARGV: the mark of the inputs, the token, the answer or '' to forget, what stands for it when there is no room,
-- how long it is kept, the most bytes of a caller, the window they count in. Times are milliseconds.
-- Answers 1, or 0 when the key belongs to another call by now. One that was forgotten meanwhile is kept all the same:
-- its effects stand.
local held = redis.call('HMGET', KEYS[1], 'inputs', 'token')
if held[1] and held[2] ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  if held[1] then
    redis.call('DEL', KEYS[1])
    if tonumber(redis.call('HGET', KEYS[2], 'keys') or '0') > 0 then redis.call('HINCRBY', KEYS[2], 'keys', -1) end
  end
  return 1
end
local answer = ARGV[3]
local bytes = tonumber(redis.call('HGET', KEYS[2], 'bytes') or '0')
if bytes + #answer > tonumber(ARGV[6]) then answer = ARGV[4] end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'inputs', ARGV[1], 'answer', answer)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('HINCRBY', KEYS[2], 'bytes', #answer)
if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
return 1
