-- Takes an unfinished job out, or asks the worker of a running one to stop.
-- KEYS: of the queue, the hash of the job, its unique key if it has one
-- ARGV: id, life of the hash
-- Answers the state it was in, or nil when there is no such job.
local job, id = KEYS[8], ARGV[1]
local there = redis.call('HMGET', job, 'state', 'entry', 'place', 'window')
local state = there[1]
if state == 'running' then
  redis.call('HSET', job, 'cancel', '1')
elseif state == 'scheduled' or state == 'retrying' or state == 'waiting' or state == 'ready' then
  redis.call('ZREM', KEYS[2], id)
  -- One that another's settle has let through has an entry that is not known here: its start finds it cancelled.
  take_entry(there[2])
  close_job(job, id, 'cancelled', ARGV[2], KEYS[9], there[3], there[4], {})
end
return state
