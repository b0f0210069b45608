-- Keeps one piece of a batch; pieces come in their order, and a repeated one changes nothing.
-- KEYS: meta, children
-- ARGV: place, bytes, life in milliseconds, "1" when one dead child stops the rest
-- Answers 1, or 0 when an earlier piece is not there yet.
local place = tonumber(ARGV[1])
if place == 0 then
  redis.call('HSETNX', KEYS[1], 'head', ARGV[2])
  redis.call('HSETNX', KEYS[1], 'fail_fast', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local there = redis.call('LLEN', KEYS[2])
if place > there + 1 then return 0 end
if place == there + 1 then
  redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return 1
