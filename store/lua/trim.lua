#!lua flags=allow-oom
-- Forgets the oldest finished or dead tasks: those over the number to keep,
-- and those over the age.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 finish or dead, 3
-- keep, 4 age in ms (both by the settings; for dead 0 = no limit), 5 limit.
-- Reply: how many. Atomic: an id that is forgotten can be pushed anew.
-- include common.lua
local name = ARGV[2]
local key, ids = base .. name, {}
local keep = tonumber(call('HGET', base .. 'meta', name .. '_keep') or ARGV[3])
local age = tonumber(call('HGET', base .. 'meta', name .. '_age_ms') or ARGV[4])
local finish, limit = name == 'finish', tonumber(ARGV[5])
local over = call(finish and 'LLEN' or 'ZCARD', key) - keep
if not finish and keep == 0 then over = 0 end
if over > 0 then
	local last = math.min(over, limit) - 1
	ids = call(finish and 'LRANGE' or 'ZRANGE', key, 0, last)
elseif finish then
	local oldest = call('LRANGE', key, 0, limit - 1)
	local value = #oldest > 0 and call('HMGET', base .. 'task', unpack(oldest))
	for i = 1, #oldest do
		local at = value[i] and struct.unpack('>I6', value[i], 2) or 0
		if at > now - age then break end
		ids[i] = oldest[i]
	end
elseif age > 0 then
	ids = call('ZRANGEBYSCORE', key, '-inf', now - age, 'LIMIT', 0, limit)
end
if #ids == 0 then return 0 end
if finish then
	call('LTRIM', key, #ids, -1)
else
	call('ZREM', key, unpack(ids))
end
forget(ids)
count('trimmed', #ids)
return #ids
