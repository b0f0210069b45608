-- Moves a cursor beside a listener's queue, if it is where the caller believes it to be.
-- KEYS: meta of the queue. ARGV: field, expected ('' for none), next ('' to forget it, with the field `replay`),
-- what was missed: first id, last id, how many ('' for nothing).
-- Gives 1 when it was moved.
local meta, field = KEYS[1], ARGV[1]
if (redis.call('HGET', meta, field) or '') ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', meta, field, 'replay')
else
  redis.call('HSET', meta, field, ARGV[3])
end
if ARGV[4] ~= '' then
  -- One that nobody has accepted yet becomes wider.
  local first, lost = ARGV[4], tonumber(ARGV[6])
  local before = redis.call('HGET', meta, 'gap')
  if before then
    local since, _, missing = string.match(before, '^(%S+) (%S+) (%d+)$')
    first, lost = since, lost + tonumber(missing)
  end
  redis.call('HSET', meta, 'gap', first .. ' ' .. ARGV[5] .. ' ' .. string.format('%.0f', lost))
end
return 1
