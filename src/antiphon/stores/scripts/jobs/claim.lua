-- Takes over entries whose worker has given no sign of life.
-- KEYS: of the queue
-- ARGV: worker, how many, idle milliseconds
-- Answers priority, entry and id of each.
local worker, left, idle, answer = ARGV[1], tonumber(ARGV[2]), ARGV[3], {}
if redis.call('HEXISTS', KEYS[1], 'paused') == 1 then return answer end
for priority = 1, 3 do
  local cursor = '0-0'
  repeat
    if left <= 0 then return answer end
    local found = redis.pcall('XAUTOCLAIM', KEYS[4 + priority], 'workers', worker, idle, cursor, 'COUNT', left)
    if found.err then break end
    cursor = found[1]
    for _, entry in ipairs(found[2]) do
      answer[#answer + 1] = priority
      answer[#answer + 1] = entry[1]
      answer[#answer + 1] = entry[2][2]
      left = left - 1
    end
  until cursor == '0-0'
end
return answer
