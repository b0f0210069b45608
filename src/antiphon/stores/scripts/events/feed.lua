-- Puts the events of a listener into its queue and moves its cursor with them, if that is where the feeder believes.
-- KEYS: of the queue, then the hashes of the jobs.
-- ARGV: field of the cursor, expected, where it ends when all of them are in, how many jobs, most unfinished, life of a
-- deduplicated id; then for each job its place in the log and seven arguments (put.lua).
-- Gives 'moved' | 'full' | 'fed', and the cursor as it is now.
local field, at, count, most = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
if (redis.call('HGET', KEYS[1], field) or '') ~= at then
  return {'moved', at}
end
local before = tonumber(redis.call('HGET', KEYS[1], 'unfinished') or 0)
local unfinished, outcome = before, 'fed'
for i = 1, count do
  local arg = 8 * i - 1
  local answer = put_job(KEYS[7 + i], arg + 1, unfinished >= most, ARGV[6])
  if answer == 'full' then
    outcome = 'full'
    break
  end
  if answer == 'new' then
    unfinished = unfinished + 1
  end
  at = ARGV[arg]
end
if outcome == 'fed' then
  at = ARGV[3]
end
redis.call('HSET', KEYS[1], field, at, 'unfinished', text_of(unfinished))
return {outcome, at}
