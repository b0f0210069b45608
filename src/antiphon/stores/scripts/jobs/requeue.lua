-- Begins a dead job again, as if it had never been tried.
-- KEYS: of the queue, the hash of the job, its unique key if it has one
-- ARGV: id, priority, "1" when it may be a quarantined one
-- Answers the state it was in, or nil when there is no such job.
local job, id = KEYS[8], ARGV[1]
local there = redis.call('HMGET', job, 'state', 'lanes', 'place')
local state = there[1]
if not (state == 'dead' or (state == 'quarantined' and ARGV[3] == '1')) then return state end
redis.call('ZREM', KEYS[4], id)
redis.call('PERSIST', job)
redis.call('HINCRBY', KEYS[1], 'unfinished', 1)
if KEYS[9] then redis.call('SET', KEYS[9], id, 'NX') end
redis.call('HDEL', job, 'token', 'starts', 'ends', 'failed', 'started', 'finished', 'reason', 'cancel', 'unknown',
  'progress', 'worker')
local fields, next_state, entry = {}, nil, nil
if there[3] and string.find(there[2], '!', 1, true) then
  -- A lane that it kept shut is behind it: it goes on where it stood.
  next_state, entry = 'waiting', ARGV[2] .. ' '
  if enter_again(there[3], there[2]) then next_state, entry = 'ready', make_ready(ARGV[2], id) end
else
  next_state, entry = set_out(id, ARGV[2], there[2], fields)
end
redis.call('HSET', job, 'state', next_state, 'entry', entry, unpack(fields))
return state
