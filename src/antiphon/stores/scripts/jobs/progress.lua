-- Keeps how far a job has come.
-- KEYS: the hash of the job
-- ARGV: token, "SHARE NOTE"
-- Answers 1, or 0 when the token no longer counts.
local there = redis.call('HMGET', KEYS[1], 'token', 'state')
if there[1] ~= ARGV[1] or there[2] ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'progress', ARGV[2])
return 1
