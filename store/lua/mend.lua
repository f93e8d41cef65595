-- Part of repair.lua: where a task is found, and where it should be.
local what, mended, ids = ARGV[3], 0, {}
local sets = { 'doing', 'dead', 'failed', 'delayed' }
local lease = call('HGET', base .. 'meta', 'lease_ms') or ARGV[2]

-- Is it finished? nil: there is no such task. Payloads are not read: a
-- finished one's value is short.
local function is_finished(id)
	local len = call('HSTRLEN', base .. 'task', id)
	if len == 0 then return nil end
	return len <= 80 and call('HGET', base .. 'task', id):byte() >= 128
end

-- Leaves id in the set of that name only ('': in none).
local function only_in(id, name)
	for _, set in ipairs(sets) do
		if set ~= name then
			mended = mended + call('ZREM', base .. set, id)
		end
	end
	local holder = name ~= 'doing' and call('HGET', base .. 'holder', id)
	if holder then
		mended = mended + 1
		release({ id }, { holder })
	end
end

local function set_of(id)
	for _, set in ipairs(sets) do
		if call('ZSCORE', base .. set, id) then return set end
	end
end

-- Held, but in no set: its worker has a whole lease to be heard of.
local function hold(id)
	mended = mended + call('ZADD', base .. 'doing', now + lease, id)
end

local function check_task(id)
	local set, finished = set_of(id), is_finished(id)
	if set then only_in(id, finished and '' or set) end
	if finished or not set then
		ids[#ids + 1] = id
	elseif set == 'doing' and not call('HGET', base .. 'holder', id) then
		mended = mended + call('ZADD', base .. 'doing', 'LT', 'CH', now, id)
	end
end

local function check_member(id)
	if is_finished(id) == nil then only_in(id, '') end
end

local function check_holder(id)
	local set = set_of(id)
	if set == 'doing' then return end
	if set or is_finished(id) ~= false then
		mended = mended + 1
		release({ id }, { call('HGET', base .. 'holder', id) })
	else
		hold(id)
	end
end

-- Nothing but the lists can say where it is: it is to be there once.
local function place(id)
	local finished, found = is_finished(id), 0
	if finished == nil or set_of(id) then return end
	if finished then
		found = #call('LPOS', base .. 'finish', id, 'COUNT', 0)
		if found == 0 then call('RPUSH', base .. 'finish', id) end
		if found > 1 then call('LREM', base .. 'finish', 1 - found, id) end
		if found ~= 1 then mended = mended + 1 end
		return
	end
	for _, l in ipairs(lane_order) do
		found = found + #call('LPOS', base .. lanes[l], id, 'COUNT', 0)
	end
	if found == 1 then return end
	if found == 0 and call('HEXISTS', base .. 'holder', id) == 1 then
		return hold(id)
	end
	mended = mended + 1
	for _, l in ipairs(lane_order) do call('LREM', base .. lanes[l], 0, id) end
	to_lanes({ id }, true)
end

-- An id of a list: false when it has no place there.
local function belongs(id)
	local finished = is_finished(id)
	if finished ~= (what == 'finish') then return false end
	local set = not finished and set_of(id)
	if set == 'doing' then return false end
	if set then only_in(id, '') end
	return true
end
