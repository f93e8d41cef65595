#!lua flags=no-writes
-- A page of one state's ids, with what a page of tasks shows.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the state, 3 lane
-- (0 high, 1 normal, 2 low; of todo only), 4 index of the first, 5 how many
-- (at most 1,000).
-- Reply: max_attempts of the queue (or nil), lane and index where the next
-- page begins (lane -1: at the end), then for each id: id, time, holder,
-- retry, opts, error; for finish the time is nil and the holder the value.
-- Atomic: one moment of the state.
-- include common.lua
local name, lane, first = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local left = tonumber(ARGV[5])
local ids, score = {}, {}
if name == 'todo' then
	while lane < 3 and left > 0 do
		local got = call('LRANGE', base .. lanes[lane_order[lane + 1]],
			first, first + left - 1)
		for i = 1, #got do ids[#ids + 1] = got[i] end
		left, first = left - #got, first + #got
		if left > 0 then lane, first = lane + 1, 0 end
	end
elseif name == 'finish' then
	ids = call('LRANGE', base .. name, first, first + left - 1)
	left, first = left - #ids, first + #ids
else
	local got = call('ZRANGE', base .. name, first, first + left - 1,
		'WITHSCORES')
	for i = 1, #got, 2 do
		ids[#ids + 1], score[#score + 1] = got[i], got[i + 1]
	end
	left, first = left - #ids, first + #ids
end
local reply = { call('HGET', base .. 'meta', 'max_attempts'),
	left > 0 and -1 or lane, first }
if #ids == 0 then return reply end
local more = name == 'finish' and 'task' or 'holder'
local holder = call('HMGET', base .. more, unpack(ids))
local retry = call('HMGET', base .. 'retry', unpack(ids))
local opts = call('HMGET', base .. 'opts', unpack(ids))
local err = call('HMGET', base .. 'error', unpack(ids))
for i = 1, #ids do
	local r = { ids[i], score[i] or false, holder[i], retry[i], opts[i], err[i] }
	for k = 1, 6 do reply[#reply + 1] = r[k] end
end
return reply
