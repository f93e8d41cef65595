#!lua
-- Takes up workers that are not known, as far as there may be more; not when
-- Redis's memory is full.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 how many there may
-- be, 3 and how many before only those enter that send heartbeats or got
-- tasks; then as for seen.lua.
-- Reply: a letter for each: k known, o over. Atomic: as seen.lua; and so that
-- there are never more.
local call, prefix, reply = redis.call, KEYS[1], {}
local workers, beats = prefix .. 'workers', prefix .. 'beats'
local most, few = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 4, #ARGV, 5 do
	local name, queues, kind = ARGV[i], ARGV[i + 1], ARGV[i + 3]
	local key, beat = prefix .. 'worker:' .. name, kind == 'b'
	local speaker = queues == '*' and name or name .. ' ' .. queues
	local over = not call('ZSCORE', workers, name)
		and call('ZCARD', workers) >= (kind == 'p' and few or most)
		or beat and not call('ZSCORE', beats, speaker)
		and call('ZCARD', beats) >= most
	if not over then
		call('ZADD', workers, now, name)
		call('HSET', key, 'addr', ARGV[i + 2])
		if beat then
			if call('ZADD', beats, now, speaker) == 1 and queues ~= '*' then
				call('HSET', key, 'for ' .. queues, '')
			end
			call('HSET', key, 'beat', now)
		end
		if ARGV[i + 4] ~= '' then call('HSET', key, 'details', ARGV[i + 4]) end
	end
	reply[#reply + 1] = over and 'o' or 'k'
end
return table.concat(reply)
