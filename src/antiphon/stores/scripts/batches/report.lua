-- Notes how one child ended: its first report counts. What is left to do is said until it has been done.
-- KEYS: meta, children, outcomes
-- ARGV: place, outcome, word to count it under (done, dead, cancelled), how many children there are, life in milliseconds
-- Answers first (1) or not (0), whether the rest must be stopped, whether all have reported and `then` has not been sent.
local meta = KEYS[1]
if redis.call('EXISTS', meta) == 0 then return {0, 0, 0} end
local first = redis.call('HSETNX', KEYS[3], ARGV[1], ARGV[2])
if first == 1 then redis.call('HINCRBY', meta, ARGV[3], 1) end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
local said = redis.call('HMGET', meta, 'fail_fast', 'dead', 'stopping', 'finished')
local all = redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[4])
local stop = said[1] == '1' and said[2] and not said[3] and not all
return {first, stop and 1 or 0, all and not said[4] and 1 or 0}
