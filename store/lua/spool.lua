-- Part of rows.lua, report_rows.lua and bad.lua: a channel's spool.
-- An entry of the stream has n rows as a JSON array in data; its rows and
-- bytes count all that ever came, it included, so that what waits is the
-- difference to what the meta says went out.

-- Is there room for so many more? An empty spool takes what one request may
-- bring. Looks at both keys: one of a wrong type fails before any write.
local function spool_room(key, max_rows, max_bytes, n, bytes)
	local m = call('HMGET', key .. 'meta', 'rows', 'rows_out', 'bytes',
		'bytes_out')
	local rows, held = (m[1] or 0) - (m[2] or 0), (m[3] or 0) - (m[4] or 0)
	if call('XLEN', key .. 'spool') == 0 or rows <= 0 then return true end
	return rows + n <= tonumber(max_rows) and held + bytes <= tonumber(max_bytes)
end

-- Adds an entry; its id.
local function spool_add(key, n, data)
	local rows = call('HINCRBY', key .. 'meta', 'rows', n)
	local bytes = call('HINCRBY', key .. 'meta', 'bytes', #data)
	return call('XADD', key .. 'spool', '*', 'n', n,
		'rows', string.format('%d', rows),
		'bytes', string.format('%d', bytes), 'data', data)
end
