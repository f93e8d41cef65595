-- Common beginning of the scripts: keys, the clock, where a task stands.
-- A task's value is its push time in s since 2020 (4 bytes, the first below
-- 128) and the payload; once finished FINISHED, the time in ms (6 bytes) and
-- the worker. docs/decisions/002.
-- An error's value is FAILED, the time of the failure in ms (6 bytes) and the
-- text; what was kept before errors had a time is the text alone.
-- Nothing rolls back in Redis: a script adds before it removes, so that an
-- error half-way (a key of the wrong type) leaves a task twice, never nowhere.
local call, base = redis.call, KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local FINISHED, FAILED = '\198', '\255'

-- The state's letter of an id whose value is given (false: unknown).
local function state_of(id, value)
	if not value then return '-' end
	if value:byte() >= 128 then return 'f' end
	if call('ZSCORE', base .. 'doing', id) then return 'g' end
	if call('ZSCORE', base .. 'failed', id) then return 'r' end
	if call('ZSCORE', base .. 'dead', id) then return 'x' end
	if call('ZSCORE', base .. 'delayed', id) then return 'y' end
	return 't'
end

local lanes = { h = 'todo:high', n = 'todo:normal', l = 'todo:low' }
local lane_order = { 'h', 'n', 'l' }

-- The lane's letter and max_attempts of a task's options (false: none).
local function options(opts)
	if not opts then return 'n', nil end
	return opts:sub(1, 1), tonumber(opts:sub(2))
end

-- Puts ids (at most 1,000) into their lanes: at the end, or at the front in
-- the order given.
local function to_lanes(ids, front)
	if #ids == 0 then return end
	local opts = call('HMGET', base .. 'opts', unpack(ids))
	local by = { h = {}, n = {}, l = {} }
	for i = 1, #ids do
		local lane = by[options(opts[i])]
		if front then
			table.insert(lane, 1, ids[i])
		else
			lane[#lane + 1] = ids[i]
		end
	end
	for _, l in ipairs(lane_order) do
		if #by[l] > 0 then
			call(front and 'LPUSH' or 'RPUSH', base .. lanes[l],
				unpack(by[l]))
		end
	end
end

local function count(field, n)
	if n ~= 0 then call('HINCRBY', base .. 'meta', field, n) end
end

-- The worker in what holder has for an id: 13 digits of ms, a space, worker.
local function holder_of(h) return h:sub(15) end

-- Writes by how much the leases of workers became more or less.
local function settle(held)
	for worker, n in pairs(held) do
		if n ~= 0 and call('HINCRBY', base .. 'held', worker, n) <= 0 then
			call('HDEL', base .. 'held', worker)
		end
	end
end

-- Ids (at most 1,000) leave doing; holders is what HMGET holder gave.
local function release(ids, holders)
	if #ids == 0 then return end
	local held = {}
	for i = 1, #ids do
		local worker = holders[i] and holder_of(holders[i])
		if worker then held[worker] = (held[worker] or 0) - 1 end
	end
	call('ZREM', base .. 'doing', unpack(ids))
	call('HDEL', base .. 'holder', unpack(ids))
	settle(held)
end

-- Takes ids out of a list. Each LREM walks to its id, so many of them go in
-- one pass: what is found becomes '', which is no id, and those go together.
local function pick(key, ids)
	if #ids <= 16 then
		for i = 1, #ids do call('LREM', key, 1, ids[i]) end
		return
	end
	local wanted, left, first = {}, #ids, 0
	for i = 1, #ids do wanted[ids[i]] = true end
	while left > 0 do
		local window = call('LRANGE', key, first, first + 999)
		if #window == 0 then break end
		for i = 1, #window do
			if wanted[window[i]] then
				wanted[window[i]] = nil
				call('LSET', key, first + i - 1, '')
				left = left - 1
			end
		end
		first = first + #window
	end
	if left < #ids then call('LREM', key, #ids - left, '') end
end

-- Nothing is left of ids (at most 1,000) outside their list or set.
local function forget(ids)
	for _, key in ipairs({ 'task', 'retry', 'opts', 'error', 'result' }) do
		if call('EXISTS', base .. key) == 1 then
			call('HDEL', base .. key, unpack(ids))
		end
	end
end
