#!lua flags=no-writes
-- The numbers of some queues, for lists, metrics and the janitor.
-- KEYS: 1 the set of queues, 2 the workers' last sightings, 3 the last
-- heartbeats, 4 the store's hash, 5.. the queues' key prefixes. ARGV: 1 clock
-- offset, 2 how many request ids may be kept besides those that are held.
-- Reply: now, number of queues, number of workers, first heartbeat (or nil),
-- how many queues were ever removed (or nil), then 37 values for each queue:
-- lengths of high, normal, low, delayed, doing, failed, finish, dead; push time
-- of the oldest in todo; the first due time of doing, failed, delayed, finish
-- (when it finished), dead (when it died), clean-up; then the fields of meta
-- named below; how much does not add up (0: each task is in one place, by
-- number); how many workers hold a lease. nil where there is none; the first
-- is -1 for a queue whose keys cannot be read (an operator's accident must not
-- hide the others). Atomic: one queue's numbers belong together.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

local function head(key)
	return call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or false
end

-- The first id of a list, if it is near: act.lua leaves holes.
local function first(key)
	local id = call('LINDEX', key, 0)
	if id ~= '' then return id end
	for _, other in ipairs(call('LRANGE', key, 0, 99)) do
		if other ~= '' then return other end
	end
	return false
end

local function oldest(base, lane)
	local id = first(base .. lane)
	local value = id and call('HGET', base .. 'task', id)
	-- Seconds since 2020, see common.lua.
	return value and (struct.unpack('>I4', value) + 1577836800) * 1000
		or math.huge
end

local lanes = { 'todo:high', 'todo:normal', 'todo:low' }

-- The 37 values of one queue.
local function read(b)
	local r, old = {}, math.huge
	local meta = call('HMGET', b .. 'meta', 'paused', 'max_tasks',
		'max_payload', 'max_attempts', 'lease_ms', 'retry_base_ms',
		'retry_max_ms', 'finish_keep', 'finish_age_ms', 'dead_keep',
		'dead_age_ms', 'pushed', 'taken', 'finished', 'failed', 'dead',
		'lease_lost', 'reclaimed', 'retried', 'trimmed', 'holes:todo:high',
		'holes:todo:normal', 'holes:todo:low', 'holes:finish', 'away')
	local function length(list, holes)
		return math.max(0, call('LLEN', b .. list) - (holes or 0))
	end
	for i, lane in ipairs(lanes) do r[i] = length(lane, meta[20 + i]) end
	r[4] = call('ZCARD', b .. 'delayed')
	r[5] = call('ZCARD', b .. 'doing')
	r[6] = call('ZCARD', b .. 'failed')
	r[7] = length('finish', meta[24])
	r[8] = call('ZCARD', b .. 'dead')
	for i, lane in ipairs(lanes) do
		if r[i] > 0 then old = math.min(old, oldest(b, lane)) end
	end
	r[9] = old < math.huge and old
	r[10] = head(b .. 'doing')
	r[11] = head(b .. 'failed')
	r[12] = head(b .. 'delayed')
	local id = first(b .. 'finish')
	local value = id and call('HGET', b .. 'task', id)
	r[13] = value and struct.unpack('>I6', value, 2)
	r[14] = head(b .. 'dead')
	local request, mark = head(b .. 'requests'), head(b .. 'cancelled')
	r[15] = request and mark and math.min(request, mark) or request or mark
	if request and call('ZCARD', b .. 'requests') - r[5] > tonumber(ARGV[2]) then
		r[15] = 1
	end
	for i = 1, 20 do r[15 + i] = meta[i] end
	-- Nothing is handed out, and no duty has anything to do.
	if meta[25] then r[16] = 2 end
	local tasks = 0
	for i = 1, 8 do tasks = tasks + r[i] end
	r[36] = math.abs(call('HLEN', b .. 'task') - tasks)
		+ math.abs(call('HLEN', b .. 'holder') - r[5])
	-- Of no use but to be shown: no reason to have no numbers.
	local workers = redis.pcall('HLEN', b .. 'held')
	r[37] = type(workers) == 'number' and workers
	return r
end

local reply = { now, call('SCARD', KEYS[1]), call('ZCARD', KEYS[2]),
	head(KEYS[3]), call('HGET', KEYS[4], 'drops') }
for k = 5, #KEYS do
	local ok, r = pcall(read, KEYS[k])
	for i = 1, 37 do
		reply[#reply + 1] = ok and r[i] or not ok and i == 1 and -1 or false
	end
end
return reply
