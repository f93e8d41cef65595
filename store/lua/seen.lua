#!lua flags=allow-oom
-- Notes that workers were heard of.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, then for each worker
-- name, the queues of its token ("*" = all), address, 1 for a heartbeat (else
-- 0), details ('' = unchanged).
-- Reply: how many. Atomic: the sighting and the heartbeat are of one moment.
-- In beats a worker is its name, and behind a space the queues where they are
-- not all; the fields "for QUEUES" of its hash say which there are.
local call, prefix = redis.call, KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 5 do
	local name, queues, beat = ARGV[i], ARGV[i + 1], ARGV[i + 3] == '1'
	local key = prefix .. 'worker:' .. name
	local speaker = queues == '*' and name or name .. ' ' .. queues
	call('ZADD', prefix .. 'workers', now, name)
	call('HSET', key, 'addr', ARGV[i + 2])
	if beat then
		if call('ZADD', prefix .. 'beats', now, speaker) == 1
		    and queues ~= '*' then
			call('HSET', key, 'for ' .. queues, '')
		end
		call('HSET', key, 'beat', now)
	else
		call('ZADD', prefix .. 'beats', 'XX', now, speaker)
	end
	if ARGV[i + 4] ~= '' then call('HSET', key, 'details', ARGV[i + 4]) end
end
return (#ARGV - 1) / 5
