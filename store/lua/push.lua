#!lua
-- Pushes tasks: those whose id is not known, as far as there is room.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset in ms, 2 max_tasks, then for each task id, value,
-- opts. value has P and the push time in front (common.lua). opts is '' or
-- lane (h n l), replace (0 1), max_attempts ',' run_at ',' delay in ms.
-- Reply: a string with a letter for each task: q queued, o over max_tasks,
-- else the state of the known one: t todo, y delayed, g doing, r failed,
-- x dead, f finish.
-- Atomic, so that of two pushes of one id exactly one is queued.
-- include common.lua
local ids = {}
for i = 3, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
local known = call('HMGET', base .. 'task', unpack(ids))
local max = call('HGET', base .. 'meta', 'max_tasks') or ARGV[2]
local room = max - call('HLEN', base .. 'task')
	+ call('LLEN', base .. 'finish') + call('ZCARD', base .. 'dead')
local set, delayed, opts, reply, seen = {}, {}, {}, {}, {}
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

for i = 1, #ids do
	local id, o = ids[i], ARGV[i * 3 + 2]
	local lane, replace, max_attempts, at, delay = 'n', '0', '', '', ''
	if o ~= '' then
		lane, replace, max_attempts, at, delay =
			o:match('^(%a)(%d)(%d*),(%d*),(%d*)$')
	end
	local state = seen[id] or (known[i] and state_of(id, known[i]))
	if state and not seen[id] and replace == '1' and room > 0
	    and (state == 'f' or state == 'x') then
		revive(id, state)
		state = nil
	end
	if state then
		reply[i] = state
	elseif room <= 0 then
		reply[i] = 'o'
	else
		room, queued = room - 1, queued + 1
		set[queued * 2 - 1], set[queued * 2] = id, ARGV[i * 3 + 1]
		if lane ~= 'n' or max_attempts ~= '' then
			opts[#opts + 1], opts[#opts + 2] = id, lane .. max_attempts
		end
		if delay ~= '' then at = now + delay end
		if at ~= '' and tonumber(at) > now then
			delayed[#delayed + 1], delayed[#delayed + 2] = at, id
			seen[id] = 'y'
		else
			todo[lane][#todo[lane] + 1] = id
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
	count('pushed', queued)
end
return table.concat(reply)
