#!lua flags=no-writes
-- Sums up a slice of a key of a queue that moves, so that two backends can be
-- held against each other.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the key's end, 3
-- where the slice begins (a cursor, or an index), 4 how many elements at most,
-- about.
-- Reply: where the next one begins ('' at the end), how many elements, their
-- bytes, and two sums of parts of their SHA-1, in which for a list the index
-- counts. Atomic: one slice of one key; nobody changes it meanwhile.
local call, key, from, most = redis.call, KEYS[1] .. ARGV[2], ARGV[3],
	tonumber(ARGV[4])
local n, bytes, one, two = 0, 0, 0, 0

local function sum(a, b)
	local hash = redis.sha1hex(#a .. ':' .. a .. b)
	n, bytes = n + 1, bytes + #a + #b
	one = one + tonumber(hash:sub(1, 8), 16)
	two = two + tonumber(hash:sub(9, 16), 16)
end

local kind, next = call('TYPE', key).ok, ''
if kind == 'hash' then
	local got = call('HSCAN', key, from, 'COUNT', most)
	for i = 1, #got[2], 2 do
		local field = got[2][i]
		if ARGV[2] ~= 'meta' or (field ~= 'away' and field ~= 'was') then
			sum(field, got[2][i + 1])
		end
	end
	next = got[1] ~= '0' and got[1] or ''
elseif kind == 'list' then
	local got = call('LRANGE', key, from, from + most - 1)
	for i = 1, #got do sum(got[i], string.format('%d', from + i - 1)) end
	if #got == most then next = string.format('%d', from + most) end
elseif kind == 'zset' then
	local got = call('ZRANGE', key, from, from + most - 1, 'WITHSCORES')
	for i = 1, #got, 2 do sum(got[i], got[i + 1]) end
	if #got == 2 * most then next = string.format('%d', from + most) end
end
return { next, n, bytes, string.format('%.0f', one), string.format('%.0f', two) }
