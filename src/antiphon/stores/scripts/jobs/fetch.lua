-- Takes ready jobs for a worker.
-- KEYS: of the queue
-- ARGV: worker, how many, priorities in the order to look at them ("123"), most running across all workers or 0
-- Answers whether the groups had to be made, whether the queue is paused, then priority, entry and id of each.
local worker, left = ARGV[1], tonumber(ARGV[2])
local paused, slots = redis.call('HGET', KEYS[1], 'paused'), tonumber(ARGV[4])
local answer = { 0, paused and 1 or 0 }
if paused then return answer end
for at = 1, slots > 0 and 3 or 0 do
  -- What is fetched counts as running: it is somebody's until it is settled or claimed.
  local pending = redis.pcall('XPENDING', KEYS[4 + at], 'workers')
  if not pending.err then slots = slots - pending[1] end
end
if tonumber(ARGV[4]) > 0 then left = math.min(left, slots) end

local function read(stream)
  return redis.pcall('XREADGROUP', 'GROUP', 'workers', worker, 'COUNT', left, 'STREAMS', stream, '>')
end

for priority in string.gmatch(ARGV[3], '%d') do
  if left <= 0 then break end
  local stream = KEYS[4 + priority]
  local found = read(stream)
  if found and found.err then
    redis.call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
    answer[1] = 1
    found = read(stream)
  end
  for _, entry in ipairs(found and found[1][2] or {}) do
    answer[#answer + 1] = priority
    answer[#answer + 1] = entry[1]
    answer[#answer + 1] = entry[2][2]
    left = left - 1
  end
end
return answer
