-- Keeps events in their order, without those that are known, and lets go of the oldest.
-- KEYS: log, then for each event what tells that it was seen. ARGV: most events, kept for (ms), known for (ms), events.
-- Gives for each event the id of its entry, and 1 when it is new.
local log, most, keep = KEYS[1], ARGV[1], tonumber(ARGV[2])

-- Entries are numbered without a hole, so that whoever reads on sees how many are missing.
local function last_number()
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if last and last[2][1] == 'n' then
    return tonumber(last[2][2])
  end
  local info = redis.pcall('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then
      return info[i + 1]
    end
  end
  return 0
end

local answers, number, id = {}, nil, nil
for i = 2, #KEYS do
  local known = redis.call('GET', KEYS[i])
  if known then
    answers[#answers + 1] = {known, 0}
  else
    number = (number or last_number()) + 1
    id = redis.call('XADD', log, '*', 'n', string.format('%.0f', number), 'event', ARGV[i + 2])
    redis.call('SET', KEYS[i], id, 'PX', ARGV[3])
    answers[#answers + 1] = {id, 1}
  end
end
if id then
  redis.call('XTRIM', log, 'MAXLEN', '~', most)
  local now = tonumber(string.match(id, '^%d+'))
  if now > keep then
    redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', now - keep))
  end
end
return answers
