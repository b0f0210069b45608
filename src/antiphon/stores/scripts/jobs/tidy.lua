-- Forgets workers that have left: each run of one has a name of its own, and the groups would remember them all.
-- KEYS: of the queue
-- ARGV: idle milliseconds after which a worker has left
-- Answers how many it forgot.
local gone = 0
for at = 5, 7 do
  local workers = redis.pcall('XINFO', 'CONSUMERS', KEYS[at], 'workers')
  for _, worker in ipairs(workers.err and {} or workers) do
    local named = {}
    for field = 1, #worker, 2 do named[worker[field]] = worker[field + 1] end
    -- What it has not settled would be lost with it: that is claimed first.
    if named.pending == 0 and named.idle > tonumber(ARGV[1]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[at], 'workers', named.name)
      gone = gone + 1
    end
  end
end
return gone
