#!lua flags=allow-oom
-- Hands out tasks to takers, in the order they are given.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset in ms, 2 lease in ms, then for each taker worker,
-- count, lease in ms ('' = the queue's), request id ('' = none). The counts
-- add up to 1,000 at most.
-- Reply: 1 or 0 for paused, how many ids had no task (dropped), how many are
-- left in the lanes (0 when none was taken), then for each taker lease end, n,
-- and n times id, attempt, value.
-- Atomic: an id that leaves a lane is in doing, under a lease, with its
-- holder; the attempt is retry + 1, so nothing is written for it.
-- include common.lua
local meta = call('HMGET', base .. 'meta', 'paused', 'lease_ms')
local reply = { meta[1] and 1 or 0, 0, 0 }
local BYTES, SLICE = 8388608, 250

-- What an earlier take with the same request id got and still holds.
local function again(field)
	local text = call('HGET', base .. 'request', field)
	if not text then return nil end
	local worker, ids = field:match('^(.-) '), {}
	for id in text:gmatch('%S+') do
		local holder = call('HGET', base .. 'holder', id)
		if holder and holder:match(' (.*)') == worker then
			ids[#ids + 1] = id
		end
	end
	return ids
end

-- Pops up to want ids that have a task, with their values.
local function pop(want, ids, values)
	local bytes = 0
	for _, l in ipairs(lane_order) do
		while #ids < want and bytes < BYTES do
			local got = call('LPOP', base .. lanes[l],
				math.min(want - #ids, SLICE))
			if not got then break end
			local value = call('HMGET', base .. 'task', unpack(got))
			for i = 1, #got do
				if value[i] then
					ids[#ids + 1], values[#values + 1] = got[i], value[i]
					bytes = bytes + #value[i]
				else
					reply[2] = reply[2] + 1
				end
			end
		end
	end
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
local ids, values, first = {}, {}, 1
if not meta[1] then pop(want, ids, values) end
for i = 1, #ids > 0 and 3 or 0 do
	reply[3] = reply[3] + call('LLEN', base .. lanes[lane_order[i]])
end
local doing, holder, held = {}, {}, {}
local stamp = string.format('%.0f ', now)
for _, t in ipairs(takers) do
	local mine, value = t.ids, nil
	if mine then
		value = #mine > 0 and call('HMGET', base .. 'task', unpack(mine))
		t.lease = #mine > 0 and call('ZSCORE', base .. 'doing', mine[1])
			or t.lease
	else
		mine, value = {}, {}
		while #mine < t.count and first <= #ids do
			local id = ids[first]
			mine[#mine + 1], value[#value + 1] = id, values[first]
			doing[#doing + 1], doing[#doing + 2] = t.lease, id
			holder[#holder + 1], holder[#holder + 2] = id, stamp .. t.worker
			first = first + 1
		end
		if #mine > 0 then
			held[t.worker] = (held[t.worker] or 0) + #mine
			if t.field then
				call('HSET', base .. 'request', t.field,
					table.concat(mine, ' '))
				call('ZADD', base .. 'requests', t.lease, t.field)
			end
		end
	end
	reply[#reply + 1], reply[#reply + 2] = t.lease, #mine
	local used = #mine > 0 and tried > 0
		and call('HMGET', base .. 'retry', unpack(mine))
	for i = 1, #mine do
		reply[#reply + 1] = mine[i]
		reply[#reply + 1] = (used and used[i] or 0) + 1
		reply[#reply + 1] = value[i]
	end
end
if #ids > 0 then
	call('ZADD', base .. 'doing', unpack(doing))
	call('HSET', base .. 'holder', unpack(holder))
	for worker, n in pairs(held) do
		call('HINCRBY', base .. 'held', worker, n)
	end
	count('taken', #ids)
end
return reply
