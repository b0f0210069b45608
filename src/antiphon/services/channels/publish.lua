-- Gives an event its offset, keeps it, and tells every node: one step, so that no reader sees a part of it.
-- KEYS: head, log
-- ARGV: epoch if a log begins, entry before and after its offset, token, how many are kept, life of log, life of head,
--       name to tell it under, "1" when this token may have been published already
-- Answers the offset, or 0 when it was published before.
local head, log = KEYS[1], KEYS[2]
local token, kept = ARGV[4], tonumber(ARGV[5])
if ARGV[9] == '1' then
  for _, entry in ipairs(redis.call('LRANGE', log, -100, -1)) do
    if string.sub(entry, 1, #token) == token then return 0 end
  end
end
local epoch = redis.call('HGET', head, 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', head, 'epoch', epoch, 'offset', 0)
  redis.call('DEL', log)
end
local offset = redis.call('HINCRBY', head, 'offset', 1)
local entry = ARGV[2] .. offset .. ARGV[3]
redis.call('RPUSH', log, token .. ' ' .. entry)
redis.call('LTRIM', log, -kept, -1)
redis.call('PEXPIRE', log, ARGV[6])
redis.call('PEXPIRE', head, ARGV[7])
redis.call('PUBLISH', ARGV[8], 'e' .. epoch .. ' ' .. offset .. ' ' .. entry)
return offset
