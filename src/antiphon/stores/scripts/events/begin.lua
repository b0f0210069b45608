-- Begins a replay, unless one runs.
-- KEYS: meta of the queue. ARGV: the replay, where it begins, 1 to forget what was missed.
if redis.call('HEXISTS', KEYS[1], 'replay') == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'replay', ARGV[1], 'replayed', ARGV[2])
if ARGV[3] == '1' then
  redis.call('HDEL', KEYS[1], 'gap')
end
return 1
