#!lua flags=allow-oom
-- Forgets the oldest finished or dead tasks: those over the number to keep,
-- and those over the age.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 finish or dead, 3
-- keep, 4 age in ms (both by the settings; for dead 0 = no limit), 5 limit.
-- Reply: how many. Atomic: an id that is forgotten can be pushed anew.
-- include common.lua
local name = ARGV[2]
local key, window, ids = base .. name, {}, {}
local meta = call('HMGET', base .. 'meta', name .. '_keep', name .. '_age_ms',
	'holes:' .. name, 'away')
if meta[4] then return redis.error_reply('AWAY on another backend') end
local keep, age = tonumber(meta[1] or ARGV[3]), tonumber(meta[2] or ARGV[4])
local finish, limit = name == 'finish', tonumber(ARGV[5])

-- Holes (act.lua) at the front, up to 10,000, go first: how many went.
local function strip()
	local all = 0
	for _ = 1, tonumber(meta[3] or 0) > 0 and 10 or 0 do
		local got, n = call('LRANGE', key, 0, 999), 0
		while got[n + 1] == '' do n = n + 1 end
		call('LTRIM', key, n, -1)
		all = all + n
		if n < 1000 then break end
	end
	count('holes:' .. name, -all)
	return all
end

local over = (finish and call('LLEN', key) - (meta[3] or 0)
	or call('ZCARD', key)) - keep
if finish then strip() end
if not finish and keep == 0 then over = 0 end
if over > 0 then
	local last = math.min(over, limit) - 1
	window = call(finish and 'LRANGE' or 'ZRANGE', key, 0, last)
elseif finish then
	local oldest = call('LRANGE', key, 0, limit - 1)
	local value = #oldest > 0 and call('HMGET', base .. 'task', unpack(oldest))
	for i = 1, #oldest do
		local at = value[i] and struct.unpack('>I6', value[i], 2) or 0
		if at > now - age then break end
		window[i] = oldest[i]
	end
elseif age > 0 then
	window = call('ZRANGEBYSCORE', key, '-inf', now - age, 'LIMIT', 0, limit)
end
for i = 1, #window do
	if window[i] ~= '' then ids[#ids + 1] = window[i] end
end
if #window == 0 then return 0 end
if finish then
	call('LTRIM', key, #window, -1)
	count('holes:finish', #ids - #window)
else
	call('ZREM', key, unpack(ids))
end
if #ids == 0 then return 0 end
forget(ids)
count('trimmed', #ids)
return #ids
