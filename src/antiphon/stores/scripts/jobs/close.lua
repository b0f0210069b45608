-- The end of a job, however it comes.

local function free_unique(unique, id, window)
  if not unique or redis.call('GET', unique) ~= id then return end
  local left = tonumber(window or 0) - now
  if left > 0 then redis.call('PEXPIRE', unique, text_of(left)) else redis.call('DEL', unique) end
end

-- Ends a job in `state`; `there` are its place, its window and its errors, `life` how long its hash is kept.
local function close_job(job, id, state, life, unique, place, window, fields)
  local dead = state == 'dead' or state == 'quarantined'
  redis.call('HSET', job, 'state', state, 'entry', '', 'finished', text_of(now), unpack(fields))
  redis.call('PEXPIRE', job, life)
  redis.call('HINCRBY', KEYS[1], 'unfinished', -1)
  free_unique(unique, id, window)
  if place then leave_lanes(place, dead) end
  if dead then redis.call('ZADD', KEYS[4], text_of(now), id) end
end
