-- Notes something about a batch, unless it is forgotten already: a key made here would have no life.
-- KEYS: meta
-- ARGV: field, value
-- Answers "1" when its children are being stopped, else nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'stopping')
