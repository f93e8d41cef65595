-- Part of work.lua, report_rows.lua and reclaim.lua: a row for each task that
-- ended, into the spool of the channel of kind history. history_to is '' when
-- there is none; else its key prefix, and rows and bytes that may wait there.
-- Tasks end also where their rows have no room, or their keys another type:
-- those are counted as missed.
local history_add, history_end
if history_to ~= '' then
	local rows, bytes, entries = {}, 0, {}
	local queue = base:match('{(.*)}')

	-- A point in time as Postgres reads it; Redis has no os.date. Tasks of a
	-- batch mostly share theirs.
	local iso_made = {}
	local function iso(ms)
		if iso_made[ms] then return iso_made[ms] end
		local s = math.floor(ms / 1000)
		local z = math.floor(s / 86400) + 719468
		local era = math.floor(z / 146097)
		local doe = z - era * 146097
		local yoe = math.floor((doe - math.floor(doe / 1460)
			+ math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
		local doy = doe - 365 * yoe - math.floor(yoe / 4) + math.floor(yoe / 100)
		local mp = math.floor((5 * doy + 2) / 153)
		local month = mp < 10 and mp + 3 or mp - 9
		iso_made[ms] = string.format('"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"',
			yoe + era * 400 + (month <= 2 and 1 or 0), month,
			doy - math.floor((153 * mp + 2) / 5) + 1, math.floor(s / 3600) % 24,
			math.floor(s / 60) % 60, s % 60, ms % 1000)
		return iso_made[ms]
	end

	-- A text as JSON.
	local function quoted(text)
		if not text:find('[%c"\\]') then return '"' .. text .. '"' end
		return '"' .. text:gsub('[%c"\\]', function(c)
			return string.format('\\u%04x', c:byte())
		end) .. '"'
	end

	local function close()
		if #rows == 0 then return end
		entries[#entries + 1] = { #rows,
			'[' .. table.concat(rows, ',') .. ']' }
		rows, bytes = {}, 0
	end

	-- An ended task. Its value and holder are as they were before; result is JSON.
	local ends = ',"ended_at":' .. iso(now) .. ',"attempts":'
	function history_add(id, state, value, holder, worker, attempts, err,
		result)
		local pushed = value and #value >= 4 and value:byte() < 128
			and struct.unpack('>I4', value)
		local taken = holder and tonumber(holder:sub(1, 13))
		local row = '{"queue":"' .. queue .. '","id":' .. quoted(id)
			.. ',"state":"' .. state .. '"' .. ends .. attempts
			.. (pushed and ',"pushed_at":' .. iso((pushed + 1577836800) * 1000) or '')
			.. (taken and ',"taken_at":' .. iso(taken) or '')
			.. (worker and ',"worker":' .. quoted(worker) or '')
			.. (err and ',"error":' .. quoted(err) or '')
			.. (result and ',"result":' .. result or '') .. '}'
		if #rows == 1000 or bytes + #row > 1048576 then
			close()
		end
		rows[#rows + 1] = row
		bytes = bytes + #row + 1
	end

	function history_end()
		close()
		local key, most_rows, most_bytes = history_to:match('^(%S+) (%d+) (%d+)$')
		for _, e in ipairs(entries) do
			local ok, has_room = pcall(spool_room, key, most_rows, most_bytes, e[1],
				#e[2])
			ok = ok and has_room and pcall(spool_add, key, e[1], e[2])
			if not ok then
				redis.pcall('HINCRBY', key .. 'meta', 'missed', e[1])
			end
		end
	end
end
