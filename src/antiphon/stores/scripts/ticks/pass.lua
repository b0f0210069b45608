-- Moves a schedule on without a job, if it still stands where it is thought to stand.
-- KEYS: meta of a queue
-- ARGV: field, expected value ("" for none), next value
-- Answers the field's value now.
local value = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if value ~= ARGV[2] then return value end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
