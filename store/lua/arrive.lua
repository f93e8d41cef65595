#!lua
-- Takes in a slice of a key of a queue that arrives.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the move's id, 3 the
-- key's end, 4 how many elements a list must have before; then the slice, as
-- HSCAN, LRANGE or ZRANGE with scores give it.
-- Reply: how many elements the key has. Atomic: only as long as the move is
-- under way. A slice may come twice: a list has it once.
local call, base, key = redis.call, KEYS[1], KEYS[1] .. ARGV[3]
local SLICE = 4000
if call('HGET', base .. 'meta', 'away') ~= ARGV[2] then
	return redis.error_reply('AWAY the move was taken back')
end
local is_list = ARGV[3]:find('^todo') or ARGV[3] == 'finish'
local sets = { delayed = true, doing = true, failed = true, dead = true,
	requests = true, cancelled = true }

local function add(first, last)
	if is_list then
		call('RPUSH', key, unpack(ARGV, first, last))
	elseif sets[ARGV[3]] then
		local pairs = {}
		for i = first, last, 2 do
			pairs[#pairs + 1], pairs[#pairs + 2] = ARGV[i + 1], ARGV[i]
		end
		call('ZADD', key, unpack(pairs))
	else
		local fields = {}
		for i = first, last, 2 do
			if ARGV[3] ~= 'meta' or (ARGV[i] ~= 'away' and ARGV[i] ~= 'was') then
				fields[#fields + 1], fields[#fields + 2] = ARGV[i], ARGV[i + 1]
			end
		end
		if #fields > 0 then call('HSET', key, unpack(fields)) end
	end
end

if not is_list or call('LLEN', key) == tonumber(ARGV[4]) then
	for first = 5, #ARGV, SLICE do
		add(first, math.min(first + SLICE - 1, #ARGV))
	end
end
return is_list and call('LLEN', key) or 0
