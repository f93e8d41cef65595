#!lua flags=allow-oom
-- Notes that workers were heard of.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, then for each worker
-- name, address, 1 for a heartbeat (else 0), details ('' = unchanged).
-- Reply: how many. Atomic: the sighting and the heartbeat are of one moment.
local call, prefix = redis.call, KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 4 do
	local name, beat = ARGV[i], ARGV[i + 2] == '1'
	local key = prefix .. 'worker:' .. name
	call('ZADD', prefix .. 'workers', now, name)
	call('HSET', key, 'addr', ARGV[i + 1])
	if beat then
		call('ZADD', prefix .. 'beats', now, name)
		call('HSET', key, 'beat', now)
	else
		call('ZADD', prefix .. 'beats', 'XX', now, name)
	end
	if ARGV[i + 3] ~= '' then call('HSET', key, 'details', ARGV[i + 3]) end
end
return (#ARGV - 1) / 4
