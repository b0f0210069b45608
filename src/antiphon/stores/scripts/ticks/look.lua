-- What time it is here, and where schedules stand: one step, so that no tick is later than the time it is held against.
-- KEYS: meta of a queue
-- ARGV: fields
-- Answers the time in milliseconds and the value of each field.
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HMGET', KEYS[1], unpack(ARGV))}
