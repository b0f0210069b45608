-- Lanes: at most so many jobs of a queue with the same key at a time, first in, first out.
--
-- A job stands in each of its lanes under the same place, as a holder (+) or behind the holders (-). The set is lexical,
-- so a lane's holders and its waiters are each a range, in the order in which they came:
--
--   member   LANE+PLACE or LANE-PLACE
--   PLACE    SEQUENCE PRIORITY ID LANES        everything that admission needs: no job's hash has to be read
--   LANES    LANE:LIMIT,LANE:LIMIT!            "!": a dead job keeps its place
--
-- It is ready once it holds a place in every lane. The first of all jobs holds one in each of its lanes, so somebody can
-- always go on. A job keeps its places until it is settled for good, however often it is tried.
--
-- KEYS of every script: meta, due, lanes, dead, ready streams high, normal, low; what it needs besides comes after them.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The ready entry of a job: "PRIORITY ENTRY-ID", as it stands in the job's hash.
local function make_ready(priority, id)
  return priority .. ' ' .. redis.call('XADD', KEYS[4 + priority], '*', 'id', id)
end

local function take_entry(entry)
  local priority, at = string.match(entry or '', '^(%d) (.+)$')
  if at then
    redis.pcall('XACK', KEYS[4 + priority], 'workers', at)
    redis.call('XDEL', KEYS[4 + priority], at)
  end
end

-- A number above every earlier one of this queue, also when the store has lost some of them.
local function next_number(last)
  return math.max((tonumber(last) or 0) + 1, clock[1] * 1000000 + clock[2])
end

local function text_of(number)
  return string.format('%.0f', number)
end

local function count_of(lane, mark, behind)
  return redis.call('ZLEXCOUNT', KEYS[3], '[' .. lane .. mark, '(' .. lane .. behind)
end

-- "+" is followed by "," and "-" by "." in the order of bytes.
local function holders(lane) return count_of(lane, '+', ',') end
local function waiters(lane) return count_of(lane, '-', '.') end

-- Whether it holds a place in every lane now. One that it held already stays.
local function enter_lanes(place, lanes)
  local free = true
  for lane, limit in string.gmatch(lanes, '(%x+):(%d+)') do
    if not redis.call('ZSCORE', KEYS[3], lane .. '+' .. place) then
      local mark = '+'
      if holders(lane) >= tonumber(limit) or waiters(lane) > 0 then mark, free = '-', false end
      redis.call('ZADD', KEYS[3], 0, lane .. mark .. place)
    end
  end
  return free
end

local function holds_all(place, lanes)
  for lane in string.gmatch(lanes, '(%x+):') do
    if not redis.call('ZSCORE', KEYS[3], lane .. '+' .. place) then return false end
  end
  return true
end

-- One that came later, and waits in another lane, gives way to a job that begins again where it stood: or that one
-- would hold the lane the others wait for, and they the lane it waits for, for ever.
local function give_way(lane, place)
  for _, member in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[3], '(' .. lane .. ',', '[' .. lane .. '+')) do
    local other = string.sub(member, #lane + 2)
    local lanes = string.match(other, '(%S+)$')
    if other <= place then return false end
    if not string.find(lanes, lane .. ':%d+!') and not holds_all(other, lanes) then
      redis.call('ZREM', KEYS[3], member)
      redis.call('ZADD', KEYS[3], 0, lane .. '-' .. other)
      return true
    end
  end
  return false
end

-- The same as `enter_lanes` for a job that has kept a place from before.
local function enter_again(place, lanes)
  local free = true
  for lane, limit in string.gmatch(lanes, '(%x+):(%d+)') do
    if not redis.call('ZSCORE', KEYS[3], lane .. '+' .. place) then
      local mark = '+'
      if holders(lane) >= tonumber(limit) and not give_way(lane, place) then mark, free = '-', false end
      redis.call('ZADD', KEYS[3], 0, lane .. mark .. place)
    end
  end
  return free
end

local function admit(lane)
  while true do
    local head = redis.call('ZRANGEBYLEX', KEYS[3], '[' .. lane .. '-', '(' .. lane .. '.', 'LIMIT', 0, 1)[1]
    if not head then return end
    local place = string.sub(head, #lane + 2)
    local priority, id, lanes = string.match(place, '^%d+ (%d) (%S+) (%S+)$')
    if holders(lane) >= tonumber(string.match(lanes, lane .. ':(%d+)')) then return end
    redis.call('ZREM', KEYS[3], head)
    redis.call('ZADD', KEYS[3], 0, lane .. '+' .. place)
    if holds_all(place, lanes) then make_ready(priority, id) end
  end
end

-- Gives up its places and lets the next ones go; with `dead`, the lanes that a dead job keeps stay as they are.
local function leave_lanes(place, dead)
  local lanes, left = string.match(place, '(%S+)$'), {}
  for lane, keeps in string.gmatch(lanes, '(%x+):%d+(!?)') do
    if not dead or keeps == '' then
      redis.call('ZREM', KEYS[3], lane .. '+' .. place, lane .. '-' .. place)
      left[#left + 1] = lane
    end
  end
  for _, lane in ipairs(left) do admit(lane) end
end

-- Puts a job that has come due, or was due at once, into its lanes and among the ready; answers its state and fields.
local function set_out(id, priority, lanes, fields)
  if lanes and lanes ~= '' then
    local seq = next_number(redis.call('HGET', KEYS[1], 'seq'))
    redis.call('HSET', KEYS[1], 'seq', text_of(seq))
    local place = string.format('%016.0f %s %s %s', seq, priority, id, lanes)
    fields[#fields + 1] = 'place'
    fields[#fields + 1] = place
    if not enter_lanes(place, lanes) then return 'waiting', priority .. ' ' end
  end
  return 'ready', make_ready(priority, id)
end
