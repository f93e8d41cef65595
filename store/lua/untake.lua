#!lua flags=allow-oom
-- Puts back what a worker took but never got: to the front of its lanes,
-- without counting the attempt.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 worker, 3.. ids (at
-- most 1,000) in the order they were taken.
-- Reply: how many went back. Atomic: an id is in doing or in a lane.
-- include common.lua
local ids, holders = {}, {}
local all = call('HMGET', base .. 'holder', unpack(ARGV, 3))
for i = 3, #ARGV do
	local holder = all[i - 2]
	if holder and holder:match(' (.*)') == ARGV[2] then
		ids[#ids + 1], holders[#holders + 1] = ARGV[i], holder
	end
end
to_lanes(ids, true)
release(ids, holders)
count('taken', -#ids)
return #ids
