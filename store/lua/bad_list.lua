#!lua flags=no-writes
-- A channel's quarantine: a page of it, in the order in which the rows came,
-- or one row.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 the id behind
-- which to begin ('' = the first), 3 how many at most, or '' for just the row
-- with that id. Reply: how many there are in all, then id and record of each
-- (see bad.lua). Atomic: one page.
local call, key = redis.call, KEYS[1]
local reply, bytes = { call('ZCARD', key .. 'bad:ids') }, 0
local ids = { ARGV[2] }
if ARGV[3] ~= '' then
	ids = call('ZRANGE', key .. 'bad:ids', ARGV[2] == '' and '-' or '(' .. ARGV[2],
		'+', 'BYLEX', 'LIMIT', 0, ARGV[3])
end
for i = 1, #ids do
	local record = call('HGET', key .. 'bad', ids[i])
	if record then
		bytes = bytes + #record
		if bytes > 8388608 and i > 1 then break end
		reply[#reply + 1], reply[#reply + 2] = ids[i], record
	end
end
return reply
