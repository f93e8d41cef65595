#!lua flags=no-writes
-- The workers that are known, by name.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 one worker's name
-- ('' = all, up to 10,000), 3.. names of the queues.
-- Reply: for each worker name, last seen, address, details, last heartbeat,
-- leases held; nil where there is none. Of one worker then also, for each
-- queue where it holds some, the queue's place in ARGV (0: the first) and how
-- many. Atomic: not needed; read only.
local call, prefix = redis.call, KEYS[1]
local one, names, held, where = ARGV[2], { ARGV[2] }, {}, {}
if one == '' then
	names = call('ZRANGE', prefix .. 'workers', 0, 9999)
elseif not call('ZSCORE', prefix .. 'workers', one) then
	return {}
end
table.sort(names)
for i = 3, #ARGV do
	local key = prefix .. '{' .. ARGV[i] .. '}:held'
	local got = one == '' and call('HGETALL', key)
		or { one, call('HGET', key, one) or 0 }
	for k = 1, #got, 2 do
		held[got[k]] = (held[got[k]] or 0) + got[k + 1]
	end
	if one ~= '' and got[2] ~= 0 then
		where[#where + 1], where[#where + 2] = i - 3, got[2]
	end
end
local reply = {}
for _, name in ipairs(names) do
	local info = call('HMGET', prefix .. 'worker:' .. name, 'addr', 'details',
		'beat')
	local r = { name, call('ZSCORE', prefix .. 'workers', name), info[1],
		info[2], info[3], held[name] or 0 }
	for k = 1, 6 do reply[#reply + 1] = r[k] end
end
for i = 1, #where do reply[#reply + 1] = where[i] end
return reply
