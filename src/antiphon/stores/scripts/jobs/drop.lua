-- Forgets dead jobs.
-- KEYS: of the queue, then the hashes of the jobs
-- ARGV: their ids
-- Answers for each the state it was in, or "" when its hash was gone already.
local answers = {}
for at = 1, #KEYS - 7 do
  local job, id = KEYS[7 + at], ARGV[at]
  local there = redis.call('HMGET', job, 'state', 'place')
  local state = there[1] or ''
  if state == '' or state == 'dead' or state == 'quarantined' then
    redis.call('ZREM', KEYS[4], id)
    redis.call('UNLINK', job)
    if there[2] then leave_lanes(there[2], false) end
  end
  answers[at] = state
end
return answers
