-- Puts a session among those of its user, in the place of an old one or as one more, and ends the oldest beyond the most.
-- KEYS: the user's sessions
-- ARGV: field, record, old field or "", "1" when there must be an old one, now, idle, life, most, how long ids are "moved"
-- Answers the sids of those that ended for it, or nil when the old one is not there and had to be.
local sessions, field, record, old, must = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local now, idle, life, most, moved = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local function read(text)
  local fits, value = pcall(cjson.decode, text)
  if fits and type(value) == 'table' then
    if value.moved then return value, value.moved + moved end
    if value.touched and value.created then
      return value, math.min(value.touched + idle, value.created + life)
    end
  end
  return nil, 0
end

local all = redis.call('HGETALL', sessions)
local living, longest, replaced = {}, 0, false
for at = 1, #all, 2 do
  local name, value, ends = all[at], read(all[at + 1])
  if name == 'rights' then
    -- It is no session, and goes with the key.
  elseif ends <= now then
    redis.call('HDEL', sessions, name)
  elseif name == old and not value.moved then
    replaced = true
  else
    longest = math.max(longest, ends)
    if not value.moved then living[#living + 1] = { name = name, created = value.created, sid = value.sid } end
  end
end
if must and not replaced then return false end
if replaced then
  redis.call('HSET', sessions, old, cjson.encode({ moved = now }))
end

table.sort(living, function(a, b)
  if a.created == b.created then return a.name < b.name end
  return a.created < b.created
end)
local ended = {}
for at = 1, #living - most + 1 do
  redis.call('HDEL', sessions, living[at].name)
  ended[#ended + 1] = living[at].sid
end

redis.call('HSET', sessions, field, record)
local _, ends = read(record)
redis.call('PEXPIRE', sessions, math.max(longest, ends, now + moved) - now)
return ended
