-- Lets workers fetch from a queue or not.
-- KEYS: of the queue
-- ARGV: "1" to pause, "" to resume
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'paused', '1') else redis.call('HDEL', KEYS[1], 'paused') end
return 1
