#!lua flags=allow-oom
-- Hands out tasks to takers, in the order they are given.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset in ms, 2 lease in ms, then for each taker worker,
-- count, lease in ms ('' = the queue's), request id ('' = none). The counts
-- add up to 1,000 at most.
-- Reply: 1 or 0 for paused, how many ids had no task (dropped), how many are
-- left in the lanes (0 when none was taken), then for each taker lease end, n
-- (-1: a request id that was served before and holds nothing any more), and n
-- times id, attempt, value.
-- Atomic: an id that leaves a lane is in doing, under a lease, with its
-- holder; the attempt is retry + 1, so nothing is written for it.
-- include common.lua
local meta = call('HMGET', base .. 'meta', 'paused', 'lease_ms')
local reply = { meta[1] and 1 or 0, 0, 0 }
local BYTES, SLICE, PROBE = 8388608, 250, 32

-- include again.lua
-- Pops up to want ids that have a task, with their values; n of them. How
-- many at a time, the size of those before tells: 250 may be 250 MiB.
local function pop(want, ids, values)
	local bytes, n, slice = 0, 0, PROBE
	for _, l in ipairs(lane_order) do
		while n < want and bytes < BYTES do
			local got = call('LPOP', base .. lanes[l],
				math.min(want - n, slice))
			if not got then break end
			local value = call('HMGET', base .. 'task', unpack(got))
			for i = 1, #got do
				if value[i] then
					n, bytes = n + 1, bytes + #value[i]
					ids[n], values[n] = got[i], value[i]
				else
					reply[2] = reply[2] + 1
				end
			end
			slice = math.ceil((BYTES - bytes) / (bytes + 1) * (n + 1))
			slice = math.max(1, math.min(SLICE, slice))
		end
	end
	return n
end

local takers, want = {}, 0
for i = 3, #ARGV, 4 do
	local t = { worker = ARGV[i], count = tonumber(ARGV[i + 1]) }
	local lease = ARGV[i + 2] ~= '' and ARGV[i + 2] or meta[2] or ARGV[2]
	t.lease = string.format('%.0f', now + lease)
	if ARGV[i + 3] ~= '' then
		t.field = ARGV[i] .. ' ' .. ARGV[i + 3]
		call('ZCARD', base .. 'requests')
		t.ids = again(t.field)
	end
	if not t.ids then want = want + t.count end
	takers[#takers + 1] = t
end

-- A key of the wrong type must stop us before anything leaves a lane.
local tried = call('HLEN', base .. 'retry')
call('HLEN', base .. 'holder')
call('HLEN', base .. 'held')
call('HLEN', base .. 'task')
call('ZCARD', base .. 'doing')
local ids, values, n = {}, {}, 0
if not meta[1] then n = pop(want, ids, values) end
for i = 1, n > 0 and 3 or 0 do
	reply[3] = reply[3] + call('LLEN', base .. lanes[lane_order[i]])
end
local used = tried > 0 and n > 0 and call('HMGET', base .. 'retry', unpack(ids))
local doing, holder, held, first, at = {}, {}, {}, 1, 3

-- Adds to the reply what one taker gets: ids from first to last.
local function hand_out(ids, values, used, first, last)
	for i = first, last do
		reply[at + 1] = ids[i]
		reply[at + 2] = (used and used[i] or 0) + 1
		reply[at + 3] = values[i]
		at = at + 3
	end
end

for _, t in ipairs(takers) do
	local last = math.min(first + t.count - 1, n)
	local mine = t.ids and #t.ids or last - first + 1
	reply[at + 1], reply[at + 2] = t.lease, t.ids and mine == 0 and -1 or mine
	at = at + 2
	if t.ids and mine > 0 then
		reply[at - 1] = call('ZSCORE', base .. 'doing', t.ids[1]) or t.lease
		hand_out(t.ids, call('HMGET', base .. 'task', unpack(t.ids)),
			call('HMGET', base .. 'retry', unpack(t.ids)), 1, mine)
	elseif not t.ids and mine > 0 then
		local by = string.format('%.0f ', now) .. t.worker
		for i = first, last do
			doing[i * 2 - 1], doing[i * 2] = t.lease, ids[i]
			holder[i * 2 - 1], holder[i * 2] = ids[i], by
		end
		held[t.worker] = (held[t.worker] or 0) + mine
		if t.field then
			call('HSET', base .. 'request', t.field,
				table.concat(ids, ' ', first, last))
			call('ZADD', base .. 'requests', t.lease, t.field)
		end
		hand_out(ids, values, used, first, last)
		first = last + 1
	end
end
if n > 0 then
	call('ZADD', base .. 'doing', unpack(doing))
	call('HSET', base .. 'holder', unpack(holder))
	for worker, count_held in pairs(held) do
		call('HINCRBY', base .. 'held', worker, count_held)
	end
	count('taken', n)
end
return reply
