#!lua flags=allow-oom
-- Forgets that workers send heartbeats, or forgets the workers.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 beats or workers,
-- 3.. as in beats (seen.lua), or names.
-- Reply: how many were known. Atomic: all that is kept of a worker goes.
local call, prefix = redis.call, KEYS[1]
local known = call('ZREM', prefix .. ARGV[2], unpack(ARGV, 3))
for i = 3, #ARGV do
	local name, queues = ARGV[i]:match('^(%S+) ?(.*)')
	local key = prefix .. 'worker:' .. name
	if ARGV[2] == 'beats' then
		if queues ~= '' then call('HDEL', key, 'for ' .. queues) end
	else
		local info = call('HGETALL', key)
		call('ZREM', prefix .. 'beats', name)
		for k = 1, #info, 2 do
			queues = info[k]:match('^for (.*)')
			if queues then
				call('ZREM', prefix .. 'beats', name .. ' ' .. queues)
			end
		end
		call('DEL', key)
	end
end
return known
