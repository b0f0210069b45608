-- Moves the idle life of a session on, unless somebody has changed it since it was read.
-- KEYS: the user's sessions
-- ARGV: field, the record as it was read, the record as it shall be, its life from now in milliseconds
-- Answers what the field holds now.
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there ~= ARGV[2] then return there end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4], 'GT')
return ARGV[3]
