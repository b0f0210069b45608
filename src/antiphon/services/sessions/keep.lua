-- Ends every session of a user but one.
-- KEYS: the user's sessions
-- ARGV: the field that stays
-- Answers the sids of those that ended.
local ended = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local fits, value = pcall(cjson.decode, all[at + 1])
  local moved = fits and type(value) == 'table' and value.moved
  if all[at] ~= ARGV[1] and all[at] ~= 'rights' and not moved then
    redis.call('HDEL', KEYS[1], all[at])
    if fits and type(value) == 'table' then ended[#ended + 1] = value.sid end
  end
end
return ended
