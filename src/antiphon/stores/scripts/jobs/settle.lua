-- Writes how attempts ended.
-- KEYS: of the queue, then the hashes of the jobs, then unique keys
-- ARGV: how many jobs, life of a dead one; then of each a line and a text. The line is one argument, as eight would cost
--       more than all the commands here: OUTCOME PRIORITY ENTRY TOKEN LIFE WAIT UNIQUE ID WORD. LIFE, when it is over,
--       and WAIT are milliseconds, UNIQUE is the place of its unique key in KEYS or 0.
--
--   outcome                                    word                        text           then
--   done                                       result, omitted or ""       the result     done
--   retry, snooze                                                          the error      retrying, or ready at once
--   unknown                                    most milliseconds of it                    retrying, or dead
--   dead, quarantined                          the reason                  the error      the same
--   cancelled                                                                             cancelled
--   release                                                                               ready, the start uncounted
--
-- Answers for each the state it is in now, or "" when the token no longer counts.
local count, dead_life, kept = tonumber(ARGV[1]), ARGV[2], 10

local function with_error(errors, attempt, text)
  local lines = {}
  for line in string.gmatch(errors or '', '[^\n]+') do lines[#lines + 1] = line end
  lines[#lines + 1] = attempt .. ' ' .. text_of(now) .. ' ' .. text
  return table.concat(lines, '\n', math.max(1, #lines - kept + 1))
end

local function settle(job, arg)
  local outcome, priority, entry, token, life, wait, unique, id, word =
    string.match(ARGV[arg], '^(%a+) (%d) (%S+) (%d+) (%d+) (%d+) (%d+) (%S+) (.*)$')
  local text = ARGV[arg + 1]
  wait, unique = tonumber(wait), KEYS[tonumber(unique)]
  local there = redis.call('HMGET', job, 'token', 'state', 'starts', 'ends', 'failed', 'cancel', 'place', 'window',
    'errors', 'unknown')
  if there[1] ~= token then return '' end
  -- A repeat: the answer to the first was lost on its way.
  if there[2] ~= 'running' then return there[2] end
  take_entry(priority .. ' ' .. entry)
  if there[6] then outcome = 'cancelled' end

  local fields = { 'ends', tonumber(there[4] or 0) + 1 }
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if outcome == 'release' then fields = { 'starts', tonumber(there[3]) - 1 } end
  if outcome == 'unknown' then
    local since = tonumber(there[10] or now)
    if now - since >= tonumber(word) then outcome, word = 'dead', 'unknown' else set('unknown', text_of(since)) end
  end
  if text ~= '' and (outcome == 'retry' or outcome == 'snooze' or outcome == 'dead' or outcome == 'quarantined') then
    set('errors', with_error(there[9], tonumber(there[5] or 0) + 1, text))
  end

  if outcome == 'done' or outcome == 'cancelled' then
    if outcome == 'done' and word ~= '' then set(word, word == 'omitted' and '1' or text) end
    close_job(job, id, outcome, life, unique, there[7], there[8], fields)
    return outcome
  elseif outcome == 'dead' or outcome == 'quarantined' then
    set('reason', word)
    close_job(job, id, outcome, dead_life, unique, there[7], there[8], fields)
    return outcome
  end

  if outcome == 'retry' then set('failed', tonumber(there[5] or 0) + 1) end
  local state, at = 'ready', nil
  if wait > 0 then
    state, at = 'retrying', priority .. ' '
    redis.call('ZADD', KEYS[2], text_of(now + wait), id)
  else
    at = make_ready(priority, id)
  end
  redis.call('HSET', job, 'state', state, 'entry', at, unpack(fields))
  return state
end

local answers = {}
for at = 1, count do answers[at] = settle(KEYS[7 + at], at * 2 + 1) end
return answers
