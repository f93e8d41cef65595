-- Hands out tasks. ARGV: 1 clock offset, 2 lease, then worker, count, lease,
-- request id for each taker.
local meta = call('HMGET', base .. 'meta', 'paused', 'lease_ms')
local SLICE, PROBE = 250, 32
local takers, want, dropped = {}, 0, 0
for i = 3, #ARGV, 4 do
	local lease = ARGV[i + 2] ~= '' and ARGV[i + 2] or meta[2] or ARGV[2]
	takers[#takers + 1] = { worker = ARGV[i], count = tonumber(ARGV[i + 1]),
		lease = string.format('%.0f', now + lease) }
	want = want + takers[#takers].count
end
local tried = call('HLEN', base .. 'retry')
local ids, values, n, bytes, slice = {}, {}, 0, 0, PROBE
local per = PAYLOAD == 'lane' and 2 or 1

local function pop(got)
	local value = MOVES ~= 'ids' and per == 1
		and call('HMGET', base .. 'task', unpack(got))
	for i = 1, #got, per do
		local v = per == 2 and got[i + 1] or not value or value[i]
		if v then
			n = n + 1
			ids[n], values[n] = got[i], v
			if value then bytes = bytes + #v end
		else
			dropped = dropped + 1
		end
	end
end

for _, lane in ipairs(lanes) do
	while not meta[1] and n < want and bytes < 8388608 do
		local got = call('LPOP', base .. lane,
			math.min(want - n, slice) * per)
		if not got then break end
		pop(got)
		slice = SLICE
	end
end
local left = 0
for _, lane in ipairs(lanes) do left = left + call('LLEN', base .. lane) end
local used = tried > 0 and call('HMGET', base .. 'retry', unpack(ids))
local reply, doing, holder, first = { dropped, left }, {}, {}, 1
local stamp = string.format('%.0f', now)
local lease_of, lease_n, held = {}, {}, {}

-- One number for all tasks of this call whose leases end together.
local function lease(t, size)
	if DOING ~= 'lease' then return '' end
	local number = lease_of[t.lease]
	if not number then
		number = string.format('%010d',
			call('HINCRBY', base .. 'meta', 'takes', 1))
		lease_of[t.lease] = number
	end
	lease_n[number] = (lease_n[number] or 0) + size
	return number
end

for _, t in ipairs(takers) do
	local last = math.min(first + t.count - 1, n)
	local mine = last - first + 1
	local by = stamp .. lease(t, mine) .. ' ' .. t.worker
	reply[#reply + 1], reply[#reply + 2] = t.lease, mine
	local at = #reply
	for i = first, last do
		holder[i * 2 - 1] = ids[i]
		holder[i * 2] = per == 2 and by .. ' ' .. values[i] or by
		if DOING == 'zset' then
			doing[i * 2 - 1], doing[i * 2] = t.lease, ids[i]
		end
		if MOVES == 'flat' then
			reply[at + 1], reply[at + 2] = ids[i], (used and used[i] or 0) + 1
			reply[at + 3] = values[i]
			at = at + 3
		end
	end
	held[t.worker] = (held[t.worker] or 0) + mine
	first = last + 1
end
if MOVES ~= 'flat' then
	reply[#reply + 1], reply[#reply + 2] = ids, used or 0
	reply[#reply + 1] = MOVES == 'nested' and values or 0
end
if n == 0 then return reply end
call('HSET', base .. 'holder', unpack(holder))
if DOING == 'zset' then
	call('ZADD', base .. 'doing', unpack(doing))
else
	for ends, number in pairs(lease_of) do
		call('ZADD', base .. 'leases', ends, number)
		call('HSET', base .. 'left', number, lease_n[number])
		call('HSET', base .. 'takes', number, table.concat(ids, ' '))
	end
end
hold(held)
count('taken', n)
return reply
