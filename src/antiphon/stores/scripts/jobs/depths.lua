-- How much is in a queue.
-- KEYS: of the queue
-- Answers unfinished, due, dead, running, ready high, normal and low, whether it is paused, and for how many
-- milliseconds the oldest ready job has waited for a worker.
local meta = redis.call('HMGET', KEYS[1], 'unfinished', 'paused')
local running, oldest, ready = 0, now, {}
for priority = 1, 3 do
  local stream = KEYS[4 + priority]
  local pending, last = 0, '0-0'
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {} or groups) do
    local named = {}
    for at = 1, #group, 2 do named[group[at]] = group[at + 1] end
    if named.name == 'workers' then pending, last = named.pending, named['last-delivered-id'] end
  end
  ready[priority] = math.max(0, redis.call('XLEN', stream) - pending)
  running = running + pending
  local first = ready[priority] > 0 and redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
  if first then oldest = math.min(oldest, tonumber(string.match(first[1], '^%d+'))) end
end
return {
  tonumber(meta[1] or 0), redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[4]), running, ready[1], ready[2],
  ready[3], meta[2] and 1 or 0, now - oldest
}
