-- Keeps what a user may do now beside the user's sessions, unless something newer is there.
-- KEYS: the user's sessions
-- ARGV: version, the rights, how long they stay where no session is
local there = redis.call('HGET', KEYS[1], 'rights')
if there then
  local fits, value = pcall(cjson.decode, there)
  if fits and type(value) == 'table' and tonumber(value.version) >= tonumber(ARGV[1]) then return 0 end
end
local alone = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], 'rights', ARGV[2])
if alone then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
