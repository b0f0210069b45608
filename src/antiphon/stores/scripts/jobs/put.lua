-- Puts jobs into their queue; each only once, however often it is sent.
--
-- The hash of a job, every field of it:
--
--   message                                    its bytes, as they were sent
--   state entry                                where it stands; "PRIORITY ENTRY-ID" in a ready stream, "PRIORITY " in none
--   lanes place                                its lanes; its place in them once it has come due
--   window                                     until when its unique key holds at least, in milliseconds
--   token starts ends failed                   of the newest attempt; attempts begun, ended, and ended in a counted error
--   started waited finished                    milliseconds; `waited` is how long it was ready before its newest start
--   errors                                     lines ATTEMPT MILLIS JSON, the last ten
--   progress result omitted reason             SHARE NOTE; JSON; whether it was too large; why it is dead
--   cancel unknown                             somebody wants it stopped; since when no worker has known it
--   same                                       the job that stands for this one, under the same unique key; nothing else
--
-- ARGV of one job: id, message, priority, due in milliseconds or 0, lanes, place of its unique key in KEYS or 0, window

-- Answers "new", "" for a repeat, "full", or the id of the job that stands for it.
local function put_job(job, arg, full, alias_life)
  local id, priority = ARGV[arg], ARGV[arg + 2]
  local there = redis.call('HMGET', job, 'state', 'same')
  if there[1] then return '' end
  if there[2] then return there[2] end
  local unique, window = tonumber(ARGV[arg + 5]), tonumber(ARGV[arg + 6])
  local owner = unique > 0 and redis.call('GET', KEYS[unique])
  if owner then
    redis.call('HSET', job, 'same', owner)
    redis.call('PEXPIRE', job, alias_life)
    return owner
  end
  if full then return 'full' end
  local fields = { 'message', ARGV[arg + 1] }
  if unique > 0 then
    redis.call('SET', KEYS[unique], id)
    if window > 0 then
      fields[#fields + 1] = 'window'
      fields[#fields + 1] = text_of(now + window)
    end
  end
  local due, lanes, state, entry = tonumber(ARGV[arg + 3]), ARGV[arg + 4], nil, nil
  if lanes ~= '' then
    fields[#fields + 1] = 'lanes'
    fields[#fields + 1] = lanes
  end
  if due > now then
    redis.call('ZADD', KEYS[2], due, id)
    state, entry = 'scheduled', priority .. ' '
  else
    state, entry = set_out(id, priority, lanes, fields)
  end
  redis.call('HSET', job, 'state', state, 'entry', entry, unpack(fields))
  return 'new'
end
