#!lua flags=allow-oom
-- Extends leases, counted from now.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 lease in ms, 3 worker, 4 lease in ms ('' = the
-- queue's), 5.. ids (at most 1,000).
-- Reply: the new lease end, and a string with a letter for each id as in
-- report.lua. Atomic: only the holder's lease is extended.
-- include common.lua
-- include here.lua
local lease = ARGV[4] ~= '' and ARGV[4]
	or call('HGET', base .. 'meta', 'lease_ms') or ARGV[2]
local over = now + lease
local holders = call('HMGET', base .. 'holder', unpack(ARGV, 5))
local score, reply, lost = {}, {}, 0
for i = 5, #ARGV do
	local id, h, letter = ARGV[i], holders[i - 4], 'k'
	if h and h:match(' (.*)') == ARGV[3] then
		score[#score + 1], score[#score + 2] = over, id
	elseif h then
		letter = 'l'
	elseif call('ZSCORE', base .. 'cancelled', id .. ' ' .. ARGV[3]) then
		letter = 'c'
	elseif call('HEXISTS', base .. 'task', id) == 0 then
		letter = 'u'
	else
		letter = call('HEXISTS', base .. 'retry', id) == 1 and 'l'
			or state_of(id, call('HGET', base .. 'task', id)) == 'f' and 'l'
			or 'n'
	end
	if letter == 'l' then lost = lost + 1 end
	reply[#reply + 1] = letter
end
if #score > 0 then call('ZADD', base .. 'doing', 'XX', unpack(score)) end
count('lease_lost', lost)
return { over, table.concat(reply) }
