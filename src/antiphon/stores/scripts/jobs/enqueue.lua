-- Enqueues jobs of one queue.
-- KEYS: of the queue, then the hashes of the jobs, then unique keys
-- ARGV: how many jobs, most unfinished, life of a deduplicated id; then seven of each job (put.lua)
-- Answers one text for each.
local count, most, life = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local before = tonumber(redis.call('HGET', KEYS[1], 'unfinished') or 0)
local unfinished, answers = before, {}
for at = 1, count do
  local answer = put_job(KEYS[7 + at], at * 7 - 3, unfinished >= most, life)
  if answer == 'new' then unfinished = unfinished + 1 end
  answers[at] = answer
end
if unfinished > before then redis.call('HSET', KEYS[1], 'unfinished', text_of(unfinished)) end
return answers
