#!lua flags=allow-oom
-- Acts on rows in a channel's quarantine: back to the end of the spool, away,
-- or another row in its place. A record is text: SQLSTATE, time in ms, bytes
-- of the message, the message and the row behind it.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 retry, drop or
-- edit, 3 rows and 4 bytes that may wait, 5 only those with this SQLSTATE
-- ('' = any), 6 where to begin ('' = with the first), 7 how many to look at;
-- then ids instead of 6 and 7; edit: the id and the new row.
-- Reply: how many, where to go on ('' = that was all), and 1 when there was no
-- room for more. Where: the id up to which was looked, a slash, and the last
-- one that was there at the beginning, so that rows which are refused again
-- are not met again. Atomic: a row is in one place.
local call, key, what = redis.call, KEYS[1], ARGV[2]
-- include spool.lua
local BYTES = 1048576

local function split(record)
	local state, at, len, rest = record:match('^(%S+) (%d+) (%d+) (.*)$')
	return state, at, rest:sub(1, len), rest:sub(len + 1)
end

if what == 'edit' then
	local record = call('HGET', key .. 'bad', ARGV[8])
	if not record then return { 0, '', 0 } end
	local state, at, message = split(record)
	call('HSET', key .. 'bad', ARGV[8], state .. ' ' .. at .. ' ' .. #message
		.. ' ' .. message .. ARGV[9])
	return { 1, '', 0 }
end

local ids, after, last = {}, '', nil
if #ARGV > 7 then
	for i = 8, #ARGV do ids[i - 7] = ARGV[i] end
else
	local from, all = nil, key .. 'bad:ids'
	from, last = ARGV[6]:match('^(.-)/(.*)$')
	last = last or call('ZRANGE', all, '+', '-', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
		or ''
	ids = call('ZRANGE', all, from and '(' .. from or '-', '[' .. last, 'BYLEX',
		'LIMIT', 0, ARGV[7])
	if #ids == tonumber(ARGV[7]) then after = ids[#ids] end
end

local gone, rows, bytes, full = {}, {}, 2, 0
for i = 1, #ids do
	local record = call('HGET', key .. 'bad', ids[i])
	local state, _, _, row = split(record or '- 0 0 ')
	if record and (ARGV[5] == '' or ARGV[5] == state) then
		if what == 'retry' and not spool_room(key, ARGV[3], ARGV[4], #rows + 1,
			bytes + #row) then
			full, after = 1, ''
			break
		end
		gone[#gone + 1], rows[#rows + 1] = ids[i], row
		bytes = bytes + #row + 1
		if bytes > BYTES and i < #ids then
			after = ids[i]
			break
		end
	end
end
if #gone > 0 then
	if what == 'retry' then
		spool_add(key, #rows, '[' .. table.concat(rows, ',') .. ']')
	end
	call('HDEL', key .. 'bad', unpack(gone))
	call('ZREM', key .. 'bad:ids', unpack(gone))
end
return { #gone, after ~= '' and last and after .. '/' .. last or after, full }
