-- Puts entries that were fetched and not started back among the ready.
-- KEYS: of the queue, then the hashes of the jobs
-- ARGV: worker; then PRIORITY ENTRY ID of each
for at = 1, #KEYS - 7 do
  local job, whole, priority, entry, id = KEYS[7 + at], string.match(ARGV[at + 1], '^((%d) (%S+)) (.*)$')
  local pending = redis.pcall('XPENDING', KEYS[4 + priority], 'workers', entry, entry, 1, ARGV[1])
  local there = redis.call('HMGET', job, 'state', 'entry')
  -- One that runs was claimed: it stays pending, and the next one who looks claims it again.
  if not pending.err and #pending > 0 and (there[1] == 'waiting' or (there[1] == 'ready' and there[2] == whole)) then
    take_entry(whole)
    redis.call('HSET', job, 'state', 'ready', 'entry', make_ready(priority, id))
  end
end
return 1
