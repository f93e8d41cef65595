#!lua flags=no-writes
-- A page of the tasks of one state that are meant, with what it shows of them.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the state, 3 lane
-- (0 high, 1 normal, 2 low; of todo only), 4 index of the first to look at, 5
-- look at so many (at most 1,000), 6 find at most so many, 7.. filter.lua's.
-- Reply: max_attempts of the queue (or nil), lane and index where the next
-- page begins (lane -1: at the end), how many were looked at, then for each
-- task: id, time, holder, retry, opts, error; for finish the time is nil and
-- the holder the value. Atomic: one moment of the state.
-- include common.lua
-- include here.lua
local state, lane, first = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local left, most, wants = tonumber(ARGV[5]), tonumber(ARGV[6]), 7
-- include filter.lua
local ids, score, all = {}, {}, 0

-- The next ids, up to n, and their scores, where they have some.
local function range(n)
	if list then
		local name = state == 'todo' and lanes[lane_order[lane + 1]] or state
		return call('LRANGE', base .. name, first, first + n - 1), {}
	end
	if state == 'dead' and before then -- the first ones, by when they died
		local old = call('ZCOUNT', base .. state, '-inf',
			string.format('%.0f', before))
		n = math.max(0, math.min(n, old - first))
		if n == 0 then return {}, {} end
	end
	local got, some, scores = call('ZRANGE', base .. state, first,
		first + n - 1, 'WITHSCORES'), {}, {}
	for i = 1, #got, 2 do
		some[#some + 1], scores[#scores + 1] = got[i], got[i + 1]
	end
	return some, scores
end

repeat
	local got, scores = range(left)
	local found, looked, holes = matching(got, most - #ids)
	for _, at in ipairs(found) do
		ids[#ids + 1], score[#score + 1] = got[at], scores[at] or false
	end
	local is_over = looked == #got and #got < left
	first, left, all = first + looked, left - looked, all + looked - holes
	if is_over and state == 'todo' and lane < 2 then
		lane, first, is_over = lane + 1, 0, false
	elseif is_over then
		lane = -1
	end
until lane < 0 or left == 0 or looked < #got

local reply = { call('HGET', base .. 'meta', 'max_attempts'), lane, first, all }
if #ids == 0 then return reply end
local more = state == 'finish' and 'task' or 'holder'
local holder = call('HMGET', base .. more, unpack(ids))
local retry = call('HMGET', base .. 'retry', unpack(ids))
local opts = call('HMGET', base .. 'opts', unpack(ids))
local err = call('HMGET', base .. 'error', unpack(ids))
for i = 1, #ids do
	local r = { ids[i], score[i], holder[i], retry[i], opts[i], err[i] }
	for k = 1, 6 do reply[#reply + 1] = r[k] end
end
return reply
