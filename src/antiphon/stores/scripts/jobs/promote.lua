-- Moves jobs that have come due into their lanes and among the ready.
-- KEYS: of the queue, then the hashes of the jobs
-- ARGV: their ids
-- Answers how many it moved.
local moved = 0
for at = 1, #KEYS - 7 do
  local job, id = KEYS[7 + at], ARGV[at]
  local due = redis.call('ZSCORE', KEYS[2], id)
  -- Somebody else may have moved it, or moved its time.
  if due and tonumber(due) <= now then
    redis.call('ZREM', KEYS[2], id)
    local there = redis.call('HMGET', job, 'entry', 'lanes', 'place', 'state')
    if there[4] == 'scheduled' or there[4] == 'retrying' then
      local priority, fields = string.sub(there[1], 1, 1), {}
      local state, entry
      if there[3] then
        -- It has held its places since its first attempt.
        state, entry = 'ready', make_ready(priority, id)
      else
        state, entry = set_out(id, priority, there[2], fields)
      end
      redis.call('HSET', job, 'state', state, 'entry', entry, unpack(fields))
      moved = moved + 1
    end
  end
end
return moved
