-- Marks the id of a session as replaced by one of another user.
-- KEYS: the user's sessions
-- ARGV: field, now
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ moved = tonumber(ARGV[2]) }))
end
return 1
