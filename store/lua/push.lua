#!lua
-- Pushes tasks: those whose id is not known, as far as there is room.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset in ms, 2 max_tasks, then for each task id and value,
-- which has the push time in front (common.lua); then for each task that has
-- options its number and they: lane (h n l), replace (0 1), max_attempts ','
-- run_at ',' delay in ms; at last how many those are.
-- Reply: a string with a letter for each task: q queued, o over max_tasks,
-- else the state of the known one: t todo, y delayed, g doing, r failed,
-- x dead, f finish; then ! when these are the first of a queue, which is new,
-- or was removed without the caller's knowing it.
-- Atomic, so that of two pushes of one id exactly one is queued.
-- include common.lua
local argv, argc = ARGV, #ARGV
local own = 2 * argv[argc]
local n = (argc - 3 - own) / 2
local ids, seen, plain = {}, {}, own == 0
local function pushed(n)
	return call('HINCRBY', base .. 'meta', 'pushed', n) == n and '!' or ''
end
for i = 1, n do ids[i] = argv[i * 2 + 1] end
local known = call('HMGET', base .. 'task', unpack(ids))
-- Finished and dead ones are no live tasks; they are counted when it matters.
local meta = call('HMGET', base .. 'meta', 'max_tasks', 'away')
if meta[2] then return redis.error_reply('AWAY on another backend') end
local room = (meta[1] or argv[2]) - call('HLEN', base .. 'task')
if room < n then
	room = room + call('LLEN', base .. 'finish') + call('ZCARD', base .. 'dead')
		- (call('HGET', base .. 'meta', 'holes:finish') or 0)
end
-- Most have no options and are new: they need no look at each.
plain = plain and room >= n
for i = 1, plain and n or 0 do
	if known[i] or seen[ids[i]] then
		plain, seen = false, {}
		break
	end
	seen[ids[i]] = true
end
if plain then
	call('RPUSH', base .. lanes.n, unpack(ids))
	call('HSET', base .. 'task', unpack(argv, 3, argc - 1))
	return string.rep('q', n) .. pushed(n)
end

local opts_of = {}
for i = argc - own, argc - 1, 2 do opts_of[tonumber(argv[i])] = argv[i + 1] end
local set, delayed, opts, reply = {}, {}, {}, {}
local todo = { h = {}, n = {}, l = {} }
local queued, revived = 0, {}

-- A finished or dead one makes place for a new life under the same id.
local function revive(id, state)
	if state == 'f' then
		revived[#revived + 1] = id
		call('HDEL', base .. 'result', id)
	else
		call('ZREM', base .. 'dead', id)
		call('HDEL', base .. 'error', id)
	end
	call('HDEL', base .. 'task', id)
	call('HDEL', base .. 'retry', id)
	call('HDEL', base .. 'opts', id)
end

for i = 1, n do
	local id, o, state = ids[i], opts_of[i], nil
	local lane, replace, max_attempts, at, delay = 'n', '0', '', '', ''
	if o then
		lane, replace, max_attempts, at, delay =
			o:match('^(%a)(%d)(%d*),(%d*),(%d*)$')
	end
	if seen[id] then
		state = seen[id]
	elseif known[i] then
		state = state_of(id, known[i])
		if replace == '1' and room > 0 and (state == 'f' or state == 'x') then
			revive(id, state)
			state = nil
		end
	end
	if state then
		reply[i] = state
	elseif room <= 0 then
		reply[i] = 'o'
	else
		room, queued = room - 1, queued + 1
		set[queued * 2 - 1], set[queued * 2] = id, argv[i * 2 + 2]
		if lane ~= 'n' or max_attempts ~= '' then
			opts[#opts + 1], opts[#opts + 2] = id, lane .. max_attempts
		end
		if delay ~= '' then at = now + delay end
		if at ~= '' and tonumber(at) > now then
			delayed[#delayed + 1], delayed[#delayed + 2] = at, id
			seen[id] = 'y'
		else
			local ids = todo[lane]
			ids[#ids + 1] = id
			seen[id] = 't'
		end
		reply[i] = 'q'
	end
end
pick(base .. 'finish', revived)
if queued > 0 then
	for _, l in ipairs(lane_order) do
		if #todo[l] > 0 then
			call('RPUSH', base .. lanes[l], unpack(todo[l]))
		end
	end
	if #delayed > 0 then call('ZADD', base .. 'delayed', unpack(delayed)) end
	if #opts > 0 then call('HSET', base .. 'opts', unpack(opts)) end
	call('HSET', base .. 'task', unpack(set))
	reply[n + 1] = pushed(queued)
end
return table.concat(reply)
