#!lua flags=allow-oom
-- The numbers of channels, and who brings their rows on.
-- KEYS: the channels' key prefixes. ARGV: 1 clock offset, 2 the schedd that
-- wants to ('' = only looks), 3 for how many ms it may; 0 gives it up.
-- Reply: now, then for each channel 13 values: rows and bytes that came, rows
-- and bytes that went out, how many of those to the quarantine, the place up
-- to which they did, when the oldest that waits came, rows in the quarantine,
-- 1 when it is paused, 1 when the caller is to bring its rows, another schedd
-- that is, columns as they were last seen, rows of a history that had no room.
-- nil where there is none; the first
-- is -1 for a channel whose keys cannot be read. Atomic: one schedd has it.
local call, who, lease = redis.call, ARGV[2], tonumber(ARGV[3])
local time = call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)

-- Is it the caller's, and whose else? Written again when half of it is over.
local function claim(key, owner, till)
	till = tonumber(till or 0)
	if who == '' or (owner and owner ~= who and till > clock) then
		return 0, till > clock and owner
	end
	if lease == 0 and owner == who then
		call('HDEL', key .. 'meta', 'owner', 'owner_until')
	elseif lease > 0 and (owner ~= who or till < clock + lease / 2) then
		call('HSET', key .. 'meta', 'owner', who, 'owner_until',
			string.format('%d', clock + lease))
	end
	return lease > 0 and 1 or 0, false
end

local function read(key)
	local m = call('HMGET', key .. 'meta', 'rows', 'bytes', 'rows_out',
		'bytes_out', 'bad', 'at', 'paused', 'columns', 'owner', 'owner_until',
		'missed')
	local first = call('XRANGE', key .. 'spool', '-', '+', 'COUNT', 1)[1]
	local mine, other = claim(key, m[9], m[10])
	return { m[1] or 0, m[2] or 0, m[3] or 0, m[4] or 0, m[5] or 0, m[6],
		first and first[1]:match('^%d+'), call('ZCARD', key .. 'bad:ids'),
		m[7] and 1 or 0, mine, other, m[8], m[11] or 0 }
end

local reply = { string.format('%d', clock + ARGV[1]) }
for k = 1, #KEYS do
	local ok, r = pcall(read, KEYS[k])
	for i = 1, 13 do
		reply[#reply + 1] = ok and r[i] or not ok and i == 1 and -1 or false
	end
end
return reply
