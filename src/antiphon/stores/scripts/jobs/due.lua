-- Which jobs have come due.
-- KEYS: of the queue
-- ARGV: how many
-- Answers milliseconds until the next one that is not in the answer (-1: there is none), then the ids.
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text_of(now), 'LIMIT', 0, ARGV[1])
local next = redis.call('ZRANGE', KEYS[2], #ids, #ids, 'WITHSCORES')
return { next[2] and math.max(0, tonumber(next[2]) - now) or -1, unpack(ids) }
