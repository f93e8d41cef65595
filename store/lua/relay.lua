#!lua flags=allow-oom
-- Which schedd hands a queue's tasks on, and which batch of them is next.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the relay's name, 3
-- the schedd that wants to, 4 the set of schedd that are alive, 5 who was not
-- heard of for so many ms is dead, 6 the batch that is through ('' = none), and
-- how many of its tasks 7 were handed on, 8 were refused.
-- Reply: 1 when it is the caller's, the number of the next batch, whose it is;
-- how many tasks were ever handed on, refused; when the last was through. They
-- are in the queue's meta, so they move with it.
-- Atomic: of two schedd one has it, and only that one goes on to a new batch.
-- include common.lua
-- include here.lua
local key, field = base .. 'meta', 'relay:' .. ARGV[2]
local m = call('HMGET', key, field, field .. ':owner', field .. ':tasks',
	field .. ':refused', field .. ':last')
local number, owner = tonumber(m[1] or 1), m[2]
local tasks, refused = tonumber(m[3] or 0), tonumber(m[4] or 0)
local last = tonumber(m[5] or 0)
local seen = owner and owner ~= ARGV[3] and call('ZSCORE', ARGV[4], owner)
if seen and time[1] * 1000 - seen < tonumber(ARGV[5]) then
	return { 0, number, owner, tasks, refused, last }
end
if ARGV[6] ~= '' and tonumber(ARGV[6]) == number then
	number = number + 1
	tasks, refused = tasks + ARGV[7], refused + ARGV[8]
	if ARGV[7] + ARGV[8] > 0 then last = now end
end
call('HSET', key, field, number, field .. ':owner', ARGV[3], field .. ':tasks',
	tasks, field .. ':refused', refused, field .. ':last', last)
return { 1, number, ARGV[3], tasks, refused, last }
