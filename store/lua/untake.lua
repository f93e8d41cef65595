#!lua flags=allow-oom
-- Puts back what a worker took but never got: to the front of its lanes,
-- without counting the attempt.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 worker, 3 request
-- id ('' = none), 4.. ids (at most 1,000) in the order they were taken.
-- Reply: how many went back; none when the same request was repeated since:
-- whoever did that has them. Atomic: an id is in doing or in a lane.
-- include common.lua
-- include here.lua
local field = ARGV[2] .. ' ' .. ARGV[3]
local text = ARGV[3] ~= '' and call('HGET', base .. 'request', field)
if text and text:byte() == 32 then
	if #text:match('^ *') < 255 then
		call('HSET', base .. 'request', field, text:sub(2))
	end
	return 0
end

local ids, holders = {}, {}
local all = call('HMGET', base .. 'holder', unpack(ARGV, 4))
for i = 4, #ARGV do
	local holder = all[i - 3]
	if holder and holder:match(' (.*)') == ARGV[2] then
		ids[#ids + 1], holders[#holders + 1] = ARGV[i], holder
	end
end
to_lanes(ids, true)
release(ids, holders)
count('taken', -#ids)
-- Nothing is left of the request: the next with its id is the first again.
if text and select(2, text:gsub('%S+', '')) == #ids then
	call('HDEL', base .. 'request', field)
	call('ZREM', base .. 'requests', field)
end
return #ids
