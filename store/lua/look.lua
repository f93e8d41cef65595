-- Part of take.lua: the tasks that wait, the first in line first.
local BYTES, SLICE, PROBE, IN_VAIN = 8388608, 250, 32, 40
local skip, holes = { h = 0, n = 0, l = 0 }, { h = 0, n = 0, l = 0 }

-- Steps over the holes (act.lua) that come next in a lane, a slice at most.
local function pass_holes(l)
	local got, n = call('LRANGE', base .. lanes[l], skip[l],
		skip[l] + SLICE - 1), 0
	while got[n + 1] == '' do n = n + 1 end
	skip[l], holes[l] = skip[l] + n, holes[l] + n
end

-- Reads up to want ids that have a task, with their values; n of them. How
-- many at a time, the size of those before tells: 250 may be 250 MiB. They
-- leave their lanes when all else is written. Only so often is nothing found:
-- then there is more all the same.
local function look(want, ids, values)
	local bytes, n, slice, dropped, in_vain = 0, 0, PROBE, 0, 0
	for _, l in ipairs(lane_order) do
		while n < want and bytes < BYTES and in_vain < IN_VAIN do
			local first = skip[l]
			local got = call('LRANGE', base .. lanes[l], first,
				first + math.min(want - n, slice) - 1)
			if #got == 0 then break end
			skip[l] = first + #got
			local value = call('HMGET', base .. 'task', unpack(got))
			local before = n
			for i = 1, #got do
				if value[i] then
					n, bytes = n + 1, bytes + #value[i]
					ids[n], values[n] = got[i], value[i]
				elseif got[i] == '' then
					holes[l] = holes[l] + 1
				else
					dropped = dropped + 1
				end
			end
			if n == before then
				in_vain = in_vain + 1
				pass_holes(l)
			end
			slice = math.ceil((BYTES - bytes) / (bytes + 1) * (n + 1))
			slice = math.max(1, math.min(SLICE, slice))
		end
	end
	return n, dropped, in_vain == IN_VAIN
end
