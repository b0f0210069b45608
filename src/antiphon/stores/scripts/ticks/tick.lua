-- Deals with ticks of one schedule, oldest first, if it still stands where it is thought to stand.
-- KEYS: of the queue, hash of the job of the last run, hashes of the jobs of these ticks, unique keys
-- ARGV: field of the schedule, expected value ("" for none), its last job or "", "1" to skip while a run is unfinished,
--       most unfinished, life of a deduplicated id, how many ticks; then of each tick: time in milliseconds, "1" to run it
--       whatever runs, seven of its job (put.lua)
-- Answers the field's value now, then one word for each tick that was dealt with: new, repeated, skipped, another's id.
-- A tick of the future and one that finds the queue full end it, as does a value that was not expected: then there are
-- fewer words than ticks.
local field, last, skips = ARGV[1], ARGV[3], ARGV[4] == '1'
local most, life, count = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local value = redis.call('HGET', KEYS[1], field) or ''
if value ~= ARGV[2] then return {value} end
local ends = {done = true, dead = true, quarantined = true, cancelled = true}
local state = last ~= '' and redis.call('HGET', KEYS[8], 'state')
local runs = state and not ends[state]
local before = tonumber(redis.call('HGET', KEYS[1], 'unfinished') or 0)
local unfinished, answers = before, {}
for tick = 1, count do
  local at = tick * 9 - 1
  if tonumber(ARGV[at]) > now then break end
  if skips and runs and ARGV[at + 1] ~= '1' then
    answers[tick] = 'skipped'
    value = ARGV[at] .. ' skipped ' .. last
  else
    local answer = put_job(KEYS[8 + tick], at + 2, unfinished >= most, life)
    if answer == 'full' then break end
    last, runs = ARGV[at + 2], true
    if answer == 'new' then
      unfinished = unfinished + 1
    elseif answer == '' then
      answer = 'repeated'
    else
      last = answer
    end
    answers[tick] = answer
    value = ARGV[at] .. ' enqueued ' .. last
  end
end
if #answers > 0 then redis.call('HSET', KEYS[1], field, value) end
if unfinished > before then redis.call('HSET', KEYS[1], 'unfinished', text_of(unfinished)) end
return {value, unpack(answers)}
