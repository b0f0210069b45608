-- Takes or renews the right to feed one listener, and makes its group where there is none.
-- KEYS: log, feeder. ARGV: group, token, lease (ms), `start` or `now`, cursor's entry id or '', cursor's number.
-- Gives {0} when somebody else feeds; else {1, 1 when the group was made, its entry id, its number, last id, added}.
local log, group, at, number = KEYS[1], ARGV[1], ARGV[5], tonumber(ARGV[6])
if ARGV[2] ~= '' then
  local holder = redis.call('GET', KEYS[2])
  if holder and holder ~= ARGV[2] then
    return {0}
  end
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end

local last, added, first = '0-0', 0, nil
local info = redis.pcall('XINFO', 'STREAM', log)
if not info.err then
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    elseif info[i] == 'entries-added' then
      added = info[i + 1]
    elseif info[i] == 'first-entry' then
      first = info[i + 1]
    end
  end
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    local known = {}
    for i = 1, #found, 2 do
      known[found[i]] = found[i + 1]
    end
    if known['name'] == group then
      if at == '' then
        return {1, 0, known['last-delivered-id'], known['entries-read'] or 0, last, added}
      end
      if at ~= known['last-delivered-id'] then
        -- The group only shows how far the listener is; the cursor beside its queue decides.
        redis.call('XGROUP', 'SETID', log, group, at, 'ENTRIESREAD', math.min(number, added))
      end
      return {1, 0, at, number, last, added}
    end
  end
end

if at == '' and ARGV[4] == 'start' then
  at, number = '0-0', added
  if first and first[2][1] == 'n' then
    number = tonumber(first[2][2]) - 1
  end
elseif at == '' then
  at, number = last, added
end
redis.call('XGROUP', 'CREATE', log, group, at, 'MKSTREAM', 'ENTRIESREAD', math.min(number, added))
return {1, 1, at, number, last, added}
