-- Notes what of a user has ended or changed, for as long as tokens of before may live.
-- KEYS: what of the user has ended
-- ARGV: how long that is, then fields and values; the field `rights` only ever rises
for at = 2, #ARGV, 2 do
  local name, value = ARGV[at], ARGV[at + 1]
  if name == 'rights' then
    local there = tonumber(redis.call('HGET', KEYS[1], name) or '')
    if there and there > tonumber(value) then value = there end
  end
  redis.call('HSET', KEYS[1], name, value)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
