-- Holds on to running jobs.
-- KEYS: of the queue, then the hashes of the jobs
-- ARGV: worker; then priority, entry and token of each
-- Answers for each 1 held, 2 lost, 3 held and to be cancelled.
local answers = {}
for at = 1, #KEYS - 7 do
  local priority, entry, token = ARGV[at * 3 - 1], ARGV[at * 3], ARGV[at * 3 + 1]
  local there = redis.call('HMGET', KEYS[7 + at], 'token', 'state', 'cancel')
  if there[1] == token and there[2] == 'running' then
    -- Without a start the one who claims has no token: the lease comes back to its owner.
    redis.pcall('XCLAIM', KEYS[4 + priority], 'workers', ARGV[1], 0, entry, 'JUSTID')
    answers[at] = there[3] and 3 or 1
  else
    answers[at] = 2
  end
end
return answers
