-- Begins the log anew and tells every node, because an event may never have reached it. A repeat does nothing.
-- KEYS: head, log
-- ARGV: the new epoch, life of head, name to tell it under
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'offset', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[3], 'r')
return 1
