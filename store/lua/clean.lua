#!lua flags=allow-oom
-- Forgets request ids of which nothing is held any more, and cancel marks
-- whose leases would be over.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 limit (at most
-- 1,000), 3 how many request ids may be kept besides those that are held.
-- Reply: how many were forgotten, 1 when there may be more, how many of the
-- request ids had to go before their time. Atomic: a request id and its list
-- of tasks go together, and none whose tasks are held.
-- include common.lua
-- include here.lua
local key, limit, MOST_IDS = base .. 'requests', tonumber(ARGV[2]), 4000
local due = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, limit)
local times, n = #due, #due
-- Each held request has a task in doing of its own: so many are too many.
if n < limit
    and call('ZCARD', key) - call('ZCARD', base .. 'doing') > tonumber(ARGV[3]) then
	due = call('ZRANGE', key, 0, limit - 1)
	n = #due
end

local text = n > 0 and call('HMGET', base .. 'request', unpack(due))
local ids, last = {}, {}
for r = 1, n do
	if #ids > MOST_IDS then
		n = r - 1
		break
	end
	for id in (text[r] or ''):gmatch('%S+') do ids[#ids + 1] = id end
	last[r] = #ids
end
local holders = #ids > 0 and call('HMGET', base .. 'holder', unpack(ids))

-- When to look again at a request some of whose tasks are held: the later
-- the longer ago they were taken, but when the lease is over.
local function next_look(id, holder)
	local wait = math.max(60000, (now - holder:sub(1, 13)) / 2)
	local over = call('ZSCORE', base .. 'doing', id) or 0
	return math.floor(math.min(now + wait, math.max(over, now + 1000)))
end

local over, later, early = {}, {}, 0
for r = 1, n do
	local worker, look = due[r]:match('^(.-) '), nil
	for i = (last[r - 1] or 0) + 1, last[r] do
		if holders[i] and holder_of(holders[i]) == worker then
			look = next_look(ids[i], holders[i])
			break
		end
	end
	if look then
		later[#later + 1], later[#later + 2] = look, due[r]
	else
		over[#over + 1] = due[r]
		if r > times then early = early + 1 end
	end
end
if #over > 0 then
	call('HDEL', base .. 'request', unpack(over))
	call('ZREM', key, unpack(over))
end
if #later > 0 then call('ZADD', key, unpack(later)) end
local marks = call('ZRANGEBYSCORE', base .. 'cancelled', '-inf', now,
	'LIMIT', 0, limit)
if #marks > 0 then call('ZREM', base .. 'cancelled', unpack(marks)) end
local more = n < #due or n == limit or #marks == limit
return { #over + #marks, more and 1 or 0, early }
