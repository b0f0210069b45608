-- Ends the sessions of these names, whatever their ids are by now.
-- KEYS: the user's sessions
-- ARGV: sids
local named = {}
for _, sid in ipairs(ARGV) do named[sid] = true end
local all = redis.call('HGETALL', KEYS[1])
local ended = 0
for at = 1, #all, 2 do
  local fits, value = pcall(cjson.decode, all[at + 1])
  if fits and type(value) == 'table' and value.sid and named[value.sid] then
    ended = ended + redis.call('HDEL', KEYS[1], all[at])
  end
end
return ended
