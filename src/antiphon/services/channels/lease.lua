-- Renews the lease of a node, if it asks for it, and says which nodes hold one.
-- KEYS: when the lease of each node ends
-- ARGV: node, life of the lease from now in milliseconds or "" to leave it, life of the key
-- Answers 1 when the node's own lease held until now, then the nodes.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
local held = ends and tonumber(ends) > now and 1 or 0
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] ~= '' then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return { held, redis.call('ZRANGE', KEYS[1], 0, -1) }
