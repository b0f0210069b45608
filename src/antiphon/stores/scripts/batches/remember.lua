-- Remembers that a batch is not finished; when to look at it stays as it was if that is known already.
-- KEYS: the batches that are not finished, by when to look at them
-- ARGV: id of the batch, milliseconds until the first look, seconds that the key is kept for
local clock = redis.call('TIME')
local at = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[2]
redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', at), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
