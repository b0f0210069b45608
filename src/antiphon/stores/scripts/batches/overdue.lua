-- Takes batches that it is time to look at; none of them comes again before the given time has passed.
-- KEYS: the batches that are not finished, by when to look at them
-- ARGV: how many at most, milliseconds until the next look, seconds that the key is kept for
-- Answers their ids.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, id in ipairs(found) do redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), id) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return found
