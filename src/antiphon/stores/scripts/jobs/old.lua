-- Which dead jobs are too old or too many.
-- KEYS: of the queue
-- ARGV: life of a dead job, how many are kept, how many to answer with
-- Answers their ids, the oldest first.
local old = redis.call('ZCOUNT', KEYS[4], '-inf', text_of(now - tonumber(ARGV[1])))
local many = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[2])
local count = math.min(math.max(old, many), tonumber(ARGV[3]))
if count <= 0 then return {} end
return redis.call('ZRANGE', KEYS[4], 0, count - 1)
