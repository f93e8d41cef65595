-- Part of work.lua: the takers, from at on; what they get goes to reply.
-- include look.lua
-- include again.lua
local takers, want = {}, 0
while at < argc do
	local t = { worker = argv[at], count = tonumber(argv[at + 1]) }
	local lease = argv[at + 2] ~= '' and argv[at + 2] or meta[5] or argv[6]
	t.lease = string.format('%d', now + lease)
	if argv[at + 3] ~= '' then
		t.field = argv[at] .. ' ' .. argv[at + 3]
		t.ids = again(t.field)
	end
	if not t.ids then want = want + t.count end
	takers[#takers + 1] = t
	at = at + 4
end

local ids, values, taken, used, more = {}, {}, 0, nil, false
if want > 0 and not meta[4] then
	taken, reply[3], more = look(want, ids, values)
end
if taken > 0 and call('EXISTS', base .. 'retry') > 0 then
	used = call('HMGET', base .. 'retry', unpack(ids))
end
local doing, holds, first, out = {}, {}, 1, 4
-- 13 digits also of a clock that is not set: holder_of counts on them.
local since = string.format('%013d ', now)

-- Adds to the reply what one taker gets: ids from first to last.
local function hand_out(ids, values, used, first, last)
	for i = first, last do
		reply[out + 1] = ids[i]
		reply[out + 2] = (used and used[i] or 0) + 1
		reply[out + 3] = values[i]
		out = out + 3
	end
end

for _, t in ipairs(takers) do
	local last = math.min(first + t.count - 1, taken)
	local mine = t.ids and #t.ids or last - first + 1
	reply[out + 1], reply[out + 2] = t.lease, t.ids and mine == 0 and -1 or mine
	out = out + 2
	if t.ids and mine > 0 then
		reply[out - 1] = call('ZSCORE', base .. 'doing', t.ids[1]) or t.lease
		hand_out(t.ids, call('HMGET', base .. 'task', unpack(t.ids)),
			call('HMGET', base .. 'retry', unpack(t.ids)), 1, mine)
	elseif not t.ids and mine > 0 then
		local by = since .. t.worker
		for i = first, last do
			doing[i * 2 - 1], doing[i * 2] = t.lease, ids[i]
			holds[i * 2 - 1], holds[i * 2] = ids[i], by
		end
		t.mine = mine
		if t.field then
			call('ZADD', base .. 'requests',
				math.min(t.lease, now + 60000), t.field)
			call('HSET', base .. 'request', t.field,
				table.concat(ids, ' ', first, last))
		end
		hand_out(ids, values, used, first, last)
		first = last + 1
	end
end
if taken > 0 then
	call('ZADD', base .. 'doing', unpack(doing))
	call('HSET', base .. 'holder', unpack(holds))
	for _, t in ipairs(takers) do
		held[t.worker] = (held[t.worker] or 0) + (t.mine or 0)
	end
	count('taken', taken)
end
for l, gone in pairs(skip) do
	if gone > 0 then
		call('LTRIM', base .. lanes[l], gone, -1)
		if holes[l] > 0 then count('holes:' .. lanes[l], -holes[l]) end
	end
end
for i = 1, (taken > 0 or more) and 3 or 0 do
	local l = lane_order[i]
	reply[4] = reply[4] + math.max(0, call('LLEN', base .. lanes[l])
		- (meta[5 + i] or 0) + holes[l])
end
