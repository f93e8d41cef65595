#!lua flags=allow-oom
-- Takes leases back: those that are over, or all of some workers. The task
-- goes to the front of its lane with its attempt counted, or to dead.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 max_attempts, 3 limit (at most 1,000), 4 cursor
-- ('' = by lease end), 5 where the history goes (history.lua), 6.. workers; by
-- lease end: 6 the store's hash, 7 a gap of more ms between two signs of life
-- is an outage, 8 for at most so many ms after one no lease is taken back.
-- Reply: how many went to todo, how many to dead, the next cursor ('0' at the
-- end), how many leases were lengthened by an outage. Atomic: a lease that was
-- extended or reported meanwhile is not over.
-- include common.lua
-- include here.lua
-- include spool.lua
local history_to = ARGV[5]
-- include history.lua
local ids, holders, next = {}, {}, '0'

-- While workers could not reach us no lease ran on: one that ended meanwhile
-- goes on for as long as that took, and nobody's is over until they have had
-- the time to come back: the lease's own length or ARGV[8], whichever is
-- shorter. An outage that beat.lua has not noted yet stops us too.
local function over_leases()
	local doing, moved = base .. 'doing', {}
	local s = call('HMGET', ARGV[6], 'beat', 'away', 'back')
	local away, back = (s[2] or 0) + ARGV[1], (s[3] or 0) + ARGV[1]
	if s[1] and now - ARGV[1] - s[1] > tonumber(ARGV[7]) then return 0 end
	local late = call('ZRANGEBYSCORE', doing, '(' .. away, back, 'WITHSCORES',
		'LIMIT', 0, ARGV[3])
	for i = 1, #late, 2 do
		moved[i], moved[i + 1] = late[i + 1] + back - away, late[i]
	end
	if #late > 0 then
		call('ZADD', doing, unpack(moved))
		return #late / 2
	end
	late = call('ZRANGEBYSCORE', doing, '-inf', now, 'WITHSCORES', 'LIMIT', 0,
		ARGV[3])
	for i = 1, #late, 2 do
		local holder = call('HGET', base .. 'holder', late[i])
		local taken = holder and holder:match('^%d+') or 0
		if now >= back + math.min(ARGV[8], late[i + 1] - taken) then
			local n = #ids + 1
			ids[n], holders[n] = late[i], holder
		end
	end
	return 0
end

local lengthened = 0
if ARGV[4] == '' then
	lengthened = over_leases()
else
	local silent, any = {}, false
	for _, n in ipairs(call('HMGET', base .. 'held', unpack(ARGV, 6))) do
		any = any or n
	end
	if not any then return { 0, 0, next, 0 } end
	for i = 6, #ARGV do silent[ARGV[i]] = true end
	local got = call('HSCAN', base .. 'holder', ARGV[4], 'COUNT', ARGV[3])
	next = got[1]
	for i = 1, #got[2], 2 do
		if silent[got[2][i + 1]:match(' (.*)')] and #ids < 3000 then
			ids[#ids + 1], holders[#holders + 1] = got[2][i], got[2][i + 1]
		end
	end
end
if #ids == 0 then return { 0, 0, next, lengthened } end

local max_attempts = tonumber(call('HGET', base .. 'meta', 'max_attempts')
	or ARGV[2])
local retry = call('HMGET', base .. 'retry', unpack(ids))
local opts = call('HMGET', base .. 'opts', unpack(ids))
local back, used, dead, why = {}, {}, {}, {}
for i = 1, #ids do
	local id, n = ids[i], (retry[i] or 0) + 1
	local _, own = options(opts[i])
	used[#used + 1], used[#used + 2] = id, n
	if n >= (own or max_attempts) then
		local worker = holders[i] and holders[i]:match(' (.*)') or '?'
		dead[#dead + 1], dead[#dead + 2] = now, id
		why[#why + 1] = id
		why[#why + 1] = FAILED .. struct.pack('>I6', now)
			.. (ARGV[4] == '' and 'the lease of worker '
			or 'nothing more was heard of worker ') .. worker
			.. (ARGV[4] == '' and ' ended' or '')
			.. ' in attempt ' .. n
		if history_add then
			history_add(id, 'dead', call('HGET', base .. 'task', id),
				holders[i], holders[i] and worker, n, why[#why]:sub(8))
		end
	else
		back[#back + 1] = id
	end
end
to_lanes(back, true)
call('HSET', base .. 'retry', unpack(used))
if #dead > 0 then
	call('ZADD', base .. 'dead', unpack(dead))
	call('HSET', base .. 'error', unpack(why))
	if history_end then history_end() end
end
release(ids, holders)
count('reclaimed', #ids)
count('dead', #dead / 2)
return { #back, #dead / 2, next, 0 }
