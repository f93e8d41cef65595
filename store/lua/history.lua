-- Part of work.lua, report_rows.lua and reclaim.lua: a row for each task that
-- ended, into the spool of the channel of kind history. history_to is '' when
-- there is none; else its key prefix, and rows and bytes that may wait there.
-- Tasks end also where their rows have no room, or their keys another type:
-- those are counted as missed.
local history_rows, history_bytes, history_entries = {}, 0, {}
local history_queue = base:match('{(.*)}')

-- A point in time as Postgres reads it; Redis has no os.date.
local function iso(ms)
	local s = math.floor(ms / 1000)
	local z = math.floor(s / 86400) + 719468
	local era = math.floor(z / 146097)
	local doe = z - era * 146097
	local yoe = math.floor((doe - math.floor(doe / 1460)
		+ math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
	local doy = doe - 365 * yoe - math.floor(yoe / 4) + math.floor(yoe / 100)
	local mp = math.floor((5 * doy + 2) / 153)
	local month = mp < 10 and mp + 3 or mp - 9
	return string.format('"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"',
		yoe + era * 400 + (month <= 2 and 1 or 0), month,
		doy - math.floor((153 * mp + 2) / 5) + 1, math.floor(s / 3600) % 24,
		math.floor(s / 60) % 60, s % 60, ms % 1000)
end

-- A text as JSON.
local function quoted(text)
	return '"' .. text:gsub('[%c"\\]', function(c)
		return string.format('\\u%04x', c:byte())
	end) .. '"'
end

local history_now
local function history_close()
	if #history_rows == 0 then return end
	history_entries[#history_entries + 1] = { #history_rows,
		'[' .. table.concat(history_rows, ',') .. ']' }
	history_rows, history_bytes = {}, 0
end

-- t: what the task is (its id, state, value, holder, worker, attempts, error,
-- result); the value and the holder are as they were before it ended.
local function history_add(t)
	history_now = history_now or iso(now)
	local row = { '{"queue":"', history_queue, '","id":', quoted(t.id),
		',"state":"', t.state, '","ended_at":', history_now,
		',"attempts":', t.attempts }
	local function add(name, text)
		row[#row + 1] = ',"' .. name .. '":' .. text
	end
	if t.value and #t.value >= 4 and t.value:byte() < 128 then
		local s = struct.unpack('>I4', t.value)
		add('pushed_at', iso((s + 1577836800) * 1000))
	end
	local taken = t.holder and t.holder:match('^%d+')
	if taken then add('taken_at', iso(tonumber(taken))) end
	if t.worker then add('worker', quoted(t.worker)) end
	if t.error then add('error', quoted(t.error)) end
	if t.result then add('result', t.result) end
	row[#row + 1] = '}'
	row = table.concat(row)
	if #history_rows == 1000 or history_bytes + #row > 1048576 then
		history_close()
	end
	history_rows[#history_rows + 1] = row
	history_bytes = history_bytes + #row + 1
end

local function history_end(history_to)
	history_close()
	local key, rows, bytes = history_to:match('^(%S+) (%d+) (%d+)$')
	for _, e in ipairs(history_entries) do
		local ok, has_room = pcall(spool_room, key, rows, bytes, e[1], #e[2])
		ok = ok and has_room and pcall(spool_add, key, e[1], e[2])
		if not ok then
			redis.pcall('HINCRBY', key .. 'meta', 'missed', e[1])
		end
	end
end
