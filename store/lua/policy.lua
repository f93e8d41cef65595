#!lua
-- Sets or takes back fields of a queue's policy.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, then field, value
-- ('' = back to the settings).
-- Reply: how many fields. Atomic: all fields of one change together.
local call, base = redis.call, KEYS[1]
-- include here.lua
local key = base .. 'meta'
for i = 2, #ARGV, 2 do
	if ARGV[i + 1] == '' then
		call('HDEL', key, ARGV[i])
	else
		call('HSET', key, ARGV[i], ARGV[i + 1])
	end
end
return (#ARGV - 1) / 2
