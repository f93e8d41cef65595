#!lua flags=allow-oom
-- Removes a queue with all that it has, and says that one was removed.
-- KEYS: 1 the queue's key prefix, 2 the set of queues, 3 the store's hash.
-- ARGV: 1 clock offset, 2 the queue's name, 3 1: even with live or dead tasks.
-- Reply: 1 when it is removed, then how many tasks it has (had), how many of
-- them live, and how many dead. Redis frees what was large behind the scenes.
-- Atomic: what is pushed meanwhile is removed, too, or makes the queue anew.
-- include keys.lua
local call, base = redis.pcall, KEYS[1]
if call('HEXISTS', base .. 'meta', 'away') == 1 then
	return redis.error_reply('AWAY on another backend')
end

-- What cannot be counted, as it is of the wrong type, counts as one.
local function count(command, name)
	local n = call(command, base .. name)
	return type(n) == 'number' and n or 1
end

-- Of a list without the holes that act.lua leaves.
local function length(list)
	local holes = call('HGET', base .. 'meta', 'holes:' .. list)
	return count('LLEN', list) - (tonumber(holes) or 0)
end

local live, dead = 0, count('ZCARD', 'dead')
for _, lane in ipairs({ 'todo:high', 'todo:normal', 'todo:low' }) do
	live = live + length(lane)
end
for _, set in ipairs({ 'delayed', 'doing', 'failed' }) do
	live = live + count('ZCARD', set)
end
local finish = length('finish')
-- One that is in no place, until the task check has seen to it, is live.
local tasks = math.max(count('HLEN', 'task'), live + dead + finish)
live = tasks - dead - finish
if ARGV[3] ~= '1' and live + dead > 0 then return { 0, tasks, live, dead } end
for _, name in ipairs(all_keys) do redis.call('UNLINK', base .. name) end
redis.call('SREM', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[3], 'drops', 1)
return { 1, tasks, live, dead }
