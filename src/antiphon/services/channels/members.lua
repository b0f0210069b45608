-- Who is there.
-- KEYS: nodes by user, members by user, version
-- ARGV: life of the keys, a version that was seen
-- Answers the version, the members, and the nodes of each of them.
if redis.call('EXISTS', KEYS[3]) == 0 then
  local now = redis.call('TIME')
  redis.call('SET', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000))
end
if tonumber(redis.call('GET', KEYS[3])) < tonumber(ARGV[2]) then
  -- The store has lost its last second. Clients take nothing below what they have seen.
  redis.call('SET', KEYS[3], ARGV[2])
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return { tonumber(redis.call('GET', KEYS[3])), redis.call('HVALS', KEYS[2]), redis.call('HVALS', KEYS[1]) }
