-- Pushes tasks that are not known, as far as there is room.
-- ARGV: 1 clock offset, 2 max_tasks, then id, value, opts for each task; LEAN:
-- id, value (tasks with options would be a second group).
local step = LEAN and 2 or 3
local ids, set, todo, reply, seen = {}, {}, {}, {}, {}
for i = 3, #ARGV, step do ids[#ids + 1] = ARGV[i] end
local known = call('HMGET', base .. 'task', unpack(ids))
local max = call('HGET', base .. 'meta', 'max_tasks') or ARGV[2]
local room = max - call('HLEN', base .. 'task') + call('ZCARD', base .. 'dead')
if FINISH == 'list' then
	room = room + call('LLEN', base .. 'finish')
elseif FINISH == 'zset' then
	room = room + call('ZCARD', base .. 'finish')
else
	room = room + call('XLEN', base .. 'finish')
end

local plain = LEAN and room >= #ids
for i = 1, plain and #ids or 0 do
	if known[i] or seen[ids[i]] then plain = false break end
	seen[ids[i]] = true
end
if plain then
	call('RPUSH', base .. lanes[2], unpack(ids))
	call('HSET', base .. 'task', unpack(ARGV, 3))
	count('pushed', #ids)
	return #ids
end
local queued, opts = 0, {}
for i = 1, #ids do
	local id, o = ids[i], LEAN and '' or ARGV[i * 3 + 2]
	local lane, replace, most = 'n', '0', ''
	if o ~= '' then
		lane, replace, most = o:match('^(%a)(%d)(%d*),%d*,%d*$')
	end
	if seen[id] or known[i] then
		reply[i] = 't'
	elseif room <= 0 then
		reply[i] = 'o'
	else
		room, queued = room - 1, queued + 1
		local value = ARGV[i * step + 4 - step]
		set[queued * 2 - 1] = id
		if lane ~= 'n' then opts[#opts + 1] = lane .. most end
		if PAYLOAD == 'lane' then
			set[queued * 2] = 'P'
			todo[queued * 2 - 1], todo[queued * 2] = id, value
		else
			set[queued * 2], todo[queued] = value, id
		end
		seen[id], reply[i] = 't', 'q'
	end
end
if queued > 0 then
	call('RPUSH', base .. lanes[2], unpack(todo))
	call('HSET', base .. 'task', unpack(set))
	count('pushed', queued)
end
return table.concat(reply)
