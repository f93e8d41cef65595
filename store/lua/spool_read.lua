#!lua flags=no-writes
-- What stands next in a channel's spool.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 the entry to read
-- behind, 3 rows and 4 bytes that are enough.
-- Reply: for each entry id, number of rows, all rows and bytes up to it, the
-- rows. Atomic: one range of one stream.
local call, key = redis.call, KEYS[1] .. 'spool'
local want, enough, from = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[2]
local out, seen, rows, bytes, slice = {}, 0, 0, 0, 1
while rows < want and bytes < enough do
	local got = call('XRANGE', key, '(' .. from, '+', 'COUNT', slice)
	for i = 1, #got do
		local entry = {}
		for f = 1, #got[i][2], 2 do entry[got[i][2][f]] = got[i][2][f + 1] end
		from = got[i][1]
		out[#out + 1] = from
		-- Whoever wrote it: what is damaged goes on to the quarantine.
		for _, name in ipairs({ 'n', 'rows', 'bytes' }) do
			local v = entry[name] or ''
			entry[name] = v:find('^%d+$') and #v < 16 and v or '0'
			out[#out + 1] = entry[name]
		end
		entry.data = entry.data or ''
		out[#out + 1] = entry.data
		seen, rows, bytes = seen + 1, rows + entry.n, bytes + #entry.data
	end
	if #got < slice then break end
	-- How many more are needed, by the size of those before.
	slice = math.min((want - rows) / (rows / seen + 1),
		(enough - bytes) / (bytes / seen + 1))
	slice = math.max(1, math.min(200, math.ceil(slice)))
end
return out
