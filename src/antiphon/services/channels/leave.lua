-- Takes the entries of nodes out, of one user or of all; the last entry of a user is announced.
-- KEYS: nodes by user, members by user, version
-- ARGV: life of the keys, name to tell it under, user or "", then the nodes
-- Answers how many users left.
local nodes, members, version = KEYS[1], KEYS[2], KEYS[3]
local life, name, user = ARGV[1], ARGV[2], ARGV[3]
local gone, left = {}, 0
for at = 4, #ARGV do gone[ARGV[at]] = true end

local function take(who, there)
  local kept = {}
  for node in string.gmatch(there, '%S+') do
    if not gone[node] then kept[#kept + 1] = node end
  end
  if #kept > 0 then
    redis.call('HSET', nodes, who, table.concat(kept, ' '))
    return
  end
  local member = redis.call('HGET', members, who)
  redis.call('HDEL', nodes, who)
  redis.call('HDEL', members, who)
  left = left + 1
  redis.call('PUBLISH', name, 'p' .. string.format('%.0f', redis.call('INCR', version)) .. ' l - ' .. member)
end

if user ~= '' then
  local there = redis.call('HGET', nodes, user)
  if there then take(user, there) end
else
  local all = redis.call('HGETALL', nodes)
  for at = 1, #all, 2 do take(all[at], all[at + 1]) end
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, life) end
return left
