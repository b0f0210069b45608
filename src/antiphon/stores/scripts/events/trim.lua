-- Lets go of what has been kept long enough, by the store's clock: a log to which nothing is added must not keep it.
-- KEYS: log. ARGV: kept for (ms).
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000 - tonumber(ARGV[1])
if oldest > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
end
return 0
