-- Where a log is, and every event after a position: all of them or none.
-- KEYS: head, log
-- ARGV: epoch if a log begins, life of head, epoch and offset of the position ("" when there is none),
--       most events, most bytes, the name to tell it under when the position is known to be true ("" otherwise)
-- Answers epoch, offset, what became of the position (head, all, epoch, window, tooMany), and the entries.
local head, log = KEYS[1], KEYS[2]
local there = redis.call('HMGET', head, 'epoch', 'offset')
local epoch, offset = there[1], tonumber(there[2])
if not epoch then
  epoch, offset = ARGV[1], 0
  redis.call('HSET', head, 'epoch', epoch, 'offset', 0)
  redis.call('DEL', log)
end
redis.call('PEXPIRE', head, ARGV[2])
if ARGV[3] == '' then return { epoch, offset, 'head', {} } end
local missing = offset - tonumber(ARGV[4])
if ARGV[3] == epoch and missing < 0 and ARGV[7] ~= '' then
  -- A node has seen what the store has lost: the same offsets must not be given to other events.
  epoch, offset = ARGV[1], 0
  redis.call('HSET', head, 'epoch', epoch, 'offset', 0)
  redis.call('DEL', log)
  redis.call('PUBLISH', ARGV[7], 'r')
end
if ARGV[3] ~= epoch or missing < 0 then return { epoch, offset, 'epoch', {} } end
if missing == 0 then return { epoch, offset, 'all', {} } end
if redis.call('LLEN', log) < missing then return { epoch, offset, 'window', {} } end
if missing > tonumber(ARGV[5]) then return { epoch, offset, 'tooMany', {} } end
local entries, bytes = redis.call('LRANGE', log, -missing, -1), 0
for _, entry in ipairs(entries) do bytes = bytes + #entry end
if bytes > tonumber(ARGV[6]) then return { epoch, offset, 'tooMany', {} } end
return { epoch, offset, 'all', entries }
