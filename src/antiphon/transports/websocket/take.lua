-- Takes seats of a user, or holds those that are taken already.
-- KEYS: the seats of the user
-- ARGV: how many there may be, how long a seat is held in milliseconds, the ids of the sockets
-- Answers 1, or 0 when there is no room for one that had no seat; none is taken then.
local most, held = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local new = 0
for at = 3, #ARGV do
  if not redis.call('ZSCORE', KEYS[1], ARGV[at]) then new = new + 1 end
end
if new > 0 and redis.call('ZCARD', KEYS[1]) + new > most then return 0 end
for at = 3, #ARGV do redis.call('ZADD', KEYS[1], now + held, ARGV[at]) end
redis.call('PEXPIRE', KEYS[1], held)
return 1
