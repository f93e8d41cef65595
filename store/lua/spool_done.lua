#!lua flags=allow-oom
-- Rows are in their table: they leave the spool; those that the database
-- refused go to the quarantine.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 to 4 the place up
-- to which they are done: an entry's ms and number, and how many of its rows;
-- 5 whether those are all, 6 rows and 7 bytes that went out up to there; then
-- for each refused row its entry's ms and number, its place in there (from 1
-- on), its id and its record (bad.lua).
-- Reply: 1, or 0 when all of that was known. Atomic: a row is in the spool or
-- in the quarantine. What was settled before is skipped, by whomever it was.
local call, key, argv = redis.call, KEYS[1], ARGV
local at = call('HGET', key .. 'meta', 'at') or '0-0:0'
local ms, seq, row = at:match('^(%d+)-(%d+):(%d+)$')
ms, seq, row = tonumber(ms), tonumber(seq), tonumber(row)

local function is_known(i)
	local m, s, r = tonumber(argv[i]), tonumber(argv[i + 1]), tonumber(argv[i + 2])
	if m ~= ms then return m < ms end
	if s ~= seq then return s < seq end
	return r <= row
end

local n = 0
for i = 8, #argv, 5 do
	if not is_known(i) then
		call('HSET', key .. 'bad', argv[i + 3], argv[i + 4])
		n = n + call('ZADD', key .. 'bad:ids', 0, argv[i + 3])
	end
end
if n > 0 then call('HINCRBY', key .. 'meta', 'bad', n) end
if is_known(2) then return 0 end
call('HSET', key .. 'meta', 'at', argv[2] .. '-' .. argv[3] .. ':' .. argv[4],
	'rows_out', argv[6], 'bytes_out', argv[7])
local next_seq = argv[5] == '1' and string.format('%d', argv[3] + 1) or argv[3]
call('XTRIM', key .. 'spool', 'MINID', argv[2] .. '-' .. next_seq)
return 1
