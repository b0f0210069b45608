-- Decides all limits of a call: charges every one of them, or none.
-- KEYS: one for each limit; all of one call in one slot
-- ARGV: '' to charge, else the time of a charge to take back; then for each limit its kind, most, unit, cost, '1' if shadow
-- Answers 1 when the call passes, the time, and for each limit: 1 if it has room, what remains, when more is there,
-- when there is room. Times are microseconds. What keys hold and the arithmetic are told in counting.py.
local PARTS = 10
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local back = tonumber(ARGV[1])

local function text(number) return string.format('%.0f', number) end

local function read(value, here)
  local counts, used, age = {}, 0, nil
  for at = 0, PARTS do counts[at] = 0 end
  for number in string.gmatch(value or '', '%d+') do
    if not age then
      age = here - tonumber(number)
    else
      if age <= PARTS then
        local at = math.max(age, 0)
        counts[at] = counts[at] + tonumber(number)
        used = used + tonumber(number)
      end
      age = age + 1
    end
  end
  return counts, used
end

local function write(key, counts, here, part)
  local words, oldest = { text(here) }, 0
  for at = 0, PARTS do
    if counts[at] > 0 then oldest = at end
  end
  for at = 0, oldest do words[#words + 1] = text(counts[at]) end
  redis.call('SET', key, table.concat(words, ' '), 'PX', math.ceil(((here + PARTS + 1) * part - now) / 1000))
end

-- Room, used before, when more is there before and after a charge, when there is room, and how to charge.
local function window(key, most, part, cost)
  local here = math.floor(now / part)
  local counts, used = read(redis.call('GET', key), here)
  local more, free, wait = 0, used, 0
  for at = PARTS, 0, -1 do
    if counts[at] > 0 then
      local leaves = (here - at + PARTS + 1) * part - now
      if more == 0 then more = leaves end
      if free + cost > most then
        free = free - counts[at]
        wait = leaves
      end
    end
  end
  local later = (here + PARTS + 1) * part - now
  return used + cost <= most, used, more, more > 0 and more or later, wait, function()
    counts[0] = counts[0] + cost
    write(key, counts, here, part)
  end
end

local function flow(key, most, unit, cost)
  local full = math.max(tonumber(redis.call('GET', key) or 0), now)
  local after = full + cost * unit
  local function used(at) return math.ceil((at - now) / unit) end
  local function more(at) return at - now - math.max(used(at) - 1, 0) * unit end
  return after - now <= most * unit, used(full), more(full), more(after), math.max(after - now - most * unit, 0), function()
    redis.call('SET', key, text(after), 'PX', math.ceil((after - now) / 1000))
  end
end

local function take_back(key, kind, unit, cost)
  local value = redis.call('GET', key)
  if not value then return end
  if kind == 'g' then
    redis.call('SET', key, text(tonumber(value) - cost * unit), 'KEEPTTL')
    return
  end
  local here = math.floor(now / unit)
  local counts = read(value, here)
  local at = math.max(here - math.floor(back / unit), 0)
  if at <= PARTS then
    counts[at] = math.max(counts[at] - cost, 0)
    write(key, counts, here, unit)
  end
end

local passes, found = 1, {}
for at, key in ipairs(KEYS) do
  local base = at * 5 - 3
  local kind, most, unit, cost = ARGV[base], tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
  if back then
    take_back(key, kind, unit, cost)
  else
    local count = kind == 'w' and window or flow
    local room, used, more, later, wait, charge = count(key, most, unit, cost)
    found[at] = { room = room, left = most - used, cost = cost, more = more, later = later, wait = wait, charge = charge }
    if not room and ARGV[base + 4] ~= '1' then passes = 0 end
  end
end

local answer = { passes, now }
for _, limit in ipairs(found) do
  local charged = passes == 1 and limit.room and limit.cost > 0
  if charged then limit.charge() end
  answer[#answer + 1] = limit.room and 1 or 0
  answer[#answer + 1] = math.max(charged and limit.left - limit.cost or limit.left, 0)
  answer[#answer + 1] = charged and limit.later or limit.more
  answer[#answer + 1] = limit.wait
end
return answer
