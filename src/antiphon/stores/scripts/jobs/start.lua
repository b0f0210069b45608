-- Begins attempts: each is counted before anything runs.
-- KEYS: of the queue, then the hashes of the jobs
-- ARGV: worker, most crashes; then PRIORITY ENTRY ID of each
-- Answers for each: what to do (run, poison, cancel: begun; gone, lost, paused: not), token, message, failed, crashes,
-- milliseconds since it was ready.
local worker, most = ARGV[1], tonumber(ARGV[2])
local meta = redis.call('HMGET', KEYS[1], 'seq', 'paused')
local seq, paused, answers = meta[1], meta[2], {}

local function is_ours(stream, at)
  local pending = redis.pcall('XPENDING', stream, 'workers', at, at, 1, worker)
  return not pending.err and #pending > 0
end

local function begin(job, line)
  local entry, priority, at, id = string.match(line, '^((%d) (%S+)) (.*)$')
  if not is_ours(KEYS[4 + priority], at) then return { 'lost' } end
  local there = redis.call('HMGET', job, 'state', 'entry', 'starts', 'ends', 'failed', 'cancel', 'message', 'worker')
  local state = there[1]
  -- An entry that is not the one in the hash was left behind by a cancel. A job that somebody else's settle has let
  -- through its lanes is still "waiting" there, and its entry is unknown.
  if not (state == 'waiting' or ((state == 'ready' or state == 'running') and there[2] == entry)) then
    take_entry(entry)
    return { 'gone' }
  end
  if paused and state ~= 'running' then
    take_entry(entry)
    redis.call('HSET', job, 'state', 'ready', 'entry', make_ready(priority, id))
    return { 'paused' }
  end
  local starts, crashes = tonumber(there[3] or 0), tonumber(there[3] or 0) - tonumber(there[4] or 0)
  if state == 'running' and there[8] == worker then
    -- It never heard the answer to its own start: no crash, and no further start.
    crashes = crashes - 1
  else
    starts = starts + 1
  end
  seq = next_number(seq)
  local token = text_of(seq)
  redis.call('HSET', job, 'state', 'running', 'entry', entry, 'token', token, 'worker', worker, 'starts', starts,
    'started', text_of(now))
  local what = there[6] and 'cancel' or crashes >= most and 'poison' or 'run'
  return { what, token, there[7], there[5] or '0', crashes, now - tonumber(string.match(at, '^%d+')) }
end

for at = 1, #KEYS - 7 do
  answers[at] = begin(KEYS[7 + at], ARGV[at + 2])
end
if seq ~= meta[1] then redis.call('HSET', KEYS[1], 'seq', text_of(seq)) end
return answers
