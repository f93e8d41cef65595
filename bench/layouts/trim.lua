-- Forgets the oldest finished tasks. ARGV: 1 clock offset, 2 how many.
local key, ids = base .. 'finish', {}
if FINISH == 'list' then
	ids = call('LRANGE', key, 0, ARGV[2] - 1)
	call('LTRIM', key, #ids, -1)
elseif FINISH == 'zset' then
	ids = call('ZRANGE', key, 0, ARGV[2] - 1)
	call('ZREM', key, unpack(ids))
else
	local last
	for _, entry in ipairs(call('XRANGE', key, '-', '+', 'COUNT', ARGV[2])) do
		ids[#ids + 1], last = entry[2][2], entry[1]
	end
	call('XTRIM', key, 'MINID', last)
	call('XDEL', key, last)
end
for _, name in ipairs({ 'task', 'retry', 'opts', 'error', 'result' }) do
	if not LEAN or call('EXISTS', base .. name) == 1 then
		call('HDEL', base .. name, unpack(ids))
	end
end
count('trimmed', #ids)
return #ids
