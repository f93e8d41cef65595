#!lua flags=no-writes
-- Which tasks of a queue a worker holds, in one window.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 worker, 3 cursor, 4
-- window, 5 at most so many ids.
-- Reply: the next cursor ('0' at the end), when the first of them was taken
-- (or nil), then ids. One may come in two windows, when the hash grows or
-- shrinks meanwhile. Atomic: not needed; read only.
local got = redis.call('HSCAN', KEYS[1] .. 'holder', ARGV[3], 'COUNT', ARGV[4])
local reply, oldest, most = { got[1], false }, math.huge, tonumber(ARGV[5])
for i = 1, #got[2], 2 do
	local since, worker = got[2][i + 1]:match('^(%d+) (.*)$')
	if worker == ARGV[2] then
		oldest = math.min(oldest, since)
		if #reply - 2 < most then reply[#reply + 1] = got[2][i] end
	end
end
if oldest < math.huge then reply[2] = string.format('%.0f', oldest) end
return reply
