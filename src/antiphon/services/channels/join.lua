-- Enters a user for a node; the first entry of a user is announced.
-- KEYS: nodes by user, members by user, version
-- ARGV: life of the keys, name to tell it under, node, user, member
-- Answers the version after it.
local nodes, members, version = KEYS[1], KEYS[2], KEYS[3]
local life, name, node, user, member = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('EXISTS', version) == 0 then
  -- Above every version from before a loss of data, or clients would take the new ones for old.
  local now = redis.call('TIME')
  redis.call('SET', version, now[1] * 1000 + math.floor(now[2] / 1000))
end
local there = redis.call('HGET', nodes, user)
if not there then
  redis.call('HSET', nodes, user, node)
  redis.call('HSET', members, user, member)
  local told = redis.call('INCR', version)
  redis.call('PUBLISH', name, 'p' .. string.format('%.0f', told) .. ' j ' .. node .. ' ' .. member)
elseif not string.find(' ' .. there .. ' ', ' ' .. node .. ' ', 1, true) then
  redis.call('HSET', nodes, user, there .. ' ' .. node)
  redis.call('PUBLISH', name, 'p' .. redis.call('GET', version) .. ' n ' .. node .. ' {}')
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, life) end
return tonumber(redis.call('GET', version))
