-- Begins a guess at every one of some doors, or at none when one is shut; or takes one back.
-- KEYS: one for each door, all in one slot
-- ARGV: for each door its step, how many are free, window, first, most, quiet, and of the guess to take back its time and
-- what it has locked. Times are microseconds.
-- Answers how long to wait (0 when the guess may be made), the time, and until when each door is shut by it, or 0.
-- What keys hold and the arithmetic are told in guesses.py.
local LEVELS = 40
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function text(number) return string.format('%.0f', number) end

local function read(key)
  local words = {}
  for word in string.gmatch(redis.call('GET', key) or '', '%d+') do words[#words + 1] = tonumber(word) end
  local failures = { till = words[1] or 0, level = words[2] or 0, times = {} }
  for at = 3, #words do failures.times[at - 2] = words[at] end
  return failures
end

local function write(key, failures, quiet)
  local words = { text(failures.till), text(failures.level) }
  for _, at in ipairs(failures.times) do words[#words + 1] = text(at) end
  if quiet then
    redis.call('SET', key, table.concat(words, ' '), 'PX', math.ceil(quiet / 1000))
  else
    redis.call('SET', key, table.concat(words, ' '), 'XX', 'KEEPTTL')
  end
end

local doors, wait = {}, 0
for at, key in ipairs(KEYS) do
  local base = at * 8 - 7
  local door = { key = key, step = ARGV[base], free = tonumber(ARGV[base + 1]), window = tonumber(ARGV[base + 2]) }
  door.first, door.most, door.quiet = tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4]), tonumber(ARGV[base + 5])
  door.back, door.locked = tonumber(ARGV[base + 6]), tonumber(ARGV[base + 7])
  door.failures = read(key)
  if door.step == 'begin' then wait = math.max(wait, door.failures.till - now) end
  doors[at] = door
end
if wait > 0 then return { wait, now } end

local answer = { 0, now }
for at, door in ipairs(doors) do
  local failures, locked = door.failures, 0
  if door.step == 'forget' then
    redis.call('DEL', door.key)
  elseif door.step == 'back' then
    for place, failed in ipairs(failures.times) do
      if failed == door.back then
        table.remove(failures.times, place)
        break
      end
    end
    if door.locked > 0 then
      failures.level = math.max(failures.level - 1, 0)
      if failures.till == door.locked then failures.till = 0 end
    end
    write(door.key, failures)
  else
    local times = { now }
    for _, failed in ipairs(failures.times) do
      if failed > now - door.window then times[#times + 1] = failed end
    end
    failures.till = 0
    if #times > door.free + 1 then times[#times] = nil end
    if #times > door.free then
      failures.level = math.min(failures.level + 1, LEVELS)
      locked = now + math.min(door.first * 2 ^ (failures.level - 1), door.most)
      failures.till = locked
    end
    failures.times = times
    write(door.key, failures, door.quiet)
  end
  answer[at + 2] = locked
end
return answer
