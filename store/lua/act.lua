#!lua flags=allow-oom
-- Purges, retries or counts the tasks that are meant, in one window of a state.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 action (count purge retry), 3 the key's end
-- (todo:high, doing, finish ...), 4 how many at the end were seen before, 5
-- score and 6 id of the last of those that is still there ('' = none), 7
-- window (at most 1,000), 8 act on at most so many, 9.. filter.lua's.
-- Reply: 4, 5 and 6 for the next window, how many were looked at, how many
-- were meant, 1 when there are more to look at.
-- Windows go from the end to the front, so that what takes and pushes do
-- meanwhile makes none of the waiting ones be skipped. What goes from a list
-- becomes '', a hole: near the end those are taken out at once, but to find
-- them further in would take as long as all that is behind them. There they
-- stay, counted in meta, until they come to the front.
-- Atomic: a task is in exactly one state before and after.
-- include common.lua
-- include here.lua
local action, name, skip = ARGV[2], ARGV[3], tonumber(ARGV[4])
local score, last, size = ARGV[5], ARGV[6], tonumber(ARGV[7])
local key, state, wants = base .. name, name:match('^%l+'), 9
local NEAR = 10000
-- include filter.lua
-- include window.lua
local ids, more
if list then
	ids, skip, more = list_window(key, skip, last, size)
else
	ids, skip = set_window(key, skip, score, last, size,
		state == 'dead' and before)
	more = #ids == size
end
local found, looked, holes = matching(ids, tonumber(ARGV[8]))
local tasks = looked - holes
more = (more or looked < #ids) and 1 or 0

-- The last one that stays is where the next window begins.
local kept, f = looked, #found
while kept > 0 and (ids[kept] == ''
    or action ~= 'count' and found[f] == kept) do
	if found[f] == kept then f = f - 1 end
	kept = kept - 1
end
if kept > 0 then last = ids[kept] end
if not list and looked > 0 and (kept > 0 or last == '') then
	score = call('ZSCORE', key, ids[kept > 0 and kept or looked])
end
if action == 'count' or #found == 0 then
	return { skip + looked, score, last, tasks, #found, more }
end

local acted = {}
for i = #found, 1, -1 do acted[#acted + 1] = ids[found[i]] end
-- Joins what it goes to before it leaves where it was: an error half-way
-- loses nothing.
if action == 'retry' then
	to_lanes(acted, false)
	if state == 'dead' then call('HDEL', base .. 'retry', unpack(acted)) end
	count('retried', #acted)
end
if state == 'doing' then
	local holders = call('HMGET', base .. 'holder', unpack(acted))
	for i = 1, #acted do
		local worker = holders[i] and holders[i]:match(' (.*)')
		if worker then
			call('ZADD', base .. 'cancelled', call('ZSCORE', key, acted[i]),
				acted[i] .. ' ' .. worker)
		end
	end
	release(acted, holders)
elseif not list then
	call('ZREM', key, unpack(acted))
elseif #acted == looked and skip == 0 then
	call('LTRIM', key, 0, -(looked + 1))
else
	for i = 1, #found do call('LSET', key, -(skip + found[i]), '') end
	if skip + looked <= NEAR then
		call('LREM', key, -#found, '')
	else
		count('holes:' .. name, #found)
		skip = skip + #found
	end
end
if action == 'purge' then forget(acted) end
return { skip + looked - #acted, score, last, tasks, #acted, more }
