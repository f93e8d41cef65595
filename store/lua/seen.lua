#!lua flags=allow-oom
-- Notes that workers were heard of, as far as it takes no more room: those
-- that are known.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, then for each worker
-- name, the queues of its token ("*" = all), address, b for a heartbeat (t:
-- it got tasks, p: neither), details ('' = unchanged).
-- Reply: the numbers of those that are left for meet.lua: not known, or known
-- (then less than 0), but with longer details. Atomic: the sighting and the
-- heartbeat are of one moment.
-- In beats a worker is its name, and behind a space the queues where they are
-- not all; the fields "for QUEUES" of its hash say which there are.
local call, prefix, left = redis.call, KEYS[1], {}
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 5 do
	local name, queues, details = ARGV[i], ARGV[i + 1], ARGV[i + 4]
	local beat, number = ARGV[i + 3] == 'b', (i + 3) / 5
	local key = prefix .. 'worker:' .. name
	local speaker = queues == '*' and name or name .. ' ' .. queues
	if not call('ZSCORE', prefix .. 'workers', name)
	    or beat and not call('ZSCORE', prefix .. 'beats', speaker) then
		left[#left + 1] = number
	else
		call('ZADD', prefix .. 'workers', now, name)
		call('ZADD', prefix .. 'beats', 'XX', now, speaker)
		call('HSET', key, 'addr', ARGV[i + 2])
		if beat then call('HSET', key, 'beat', now) end
		if #details > call('HSTRLEN', key, 'details') then
			left[#left + 1] = -number
		elseif details ~= '' then
			call('HSET', key, 'details', details)
		end
	end
end
return left
