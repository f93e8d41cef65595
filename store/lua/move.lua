#!lua flags=allow-oom
-- One step of a queue's move, on the backend that it leaves (leave, commit,
-- back) or on the one where it arrives (arrive, open, discard).
-- KEYS: 1 the queue's key prefix, 2 the set of queues, 3 the hash of moves, 4
-- the store's hash, 5 the schedd that are alive. ARGV: 1 clock offset, 2 the
-- step, 3 the queue's name, 4 the move's id, 5 the other backend, 6 this
-- schedd's id, 7 who was not heard of for so many ms is dead.
-- Reply: ok, or why nothing was done: moving (by a schedd that is alive), gone,
-- taken (there is such a queue), lost (another schedd took the move back);
-- then how many tasks the queue has here.
-- An entry of the hash of moves is > (leaves), < (arrives) or = (is there), the
-- id, the other backend, the schedd. meta's away is the id as long as the
-- queue's own scripts are to refuse all. What commit removes is at the other
-- backend by then, which opens it next; until then nobody can change it there.
-- Atomic: before commit the queue is here whatever becomes of anybody, behind
-- it there.
-- include keys.lua
local call, base, step, name, id = redis.call, KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local entry = call('HGET', KEYS[3], name) or ''
local kind, its_id, _, by = entry:match('^(.)(%S+) (%S+) (%S+)$')
local mine = its_id == id

local function is_alive()
	local time, seen = call('TIME'), call('ZSCORE', KEYS[5], by)
	return seen and time[1] * 1000 - seen < tonumber(ARGV[7])
end

local function note(as)
	call('HSET', KEYS[3], name, as .. id .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
end

local function wipe()
	for _, key in ipairs(all_keys) do call('UNLINK', base .. key) end
end

local steps = {}

function steps.leave()
	if kind == '=' then return 'gone' end
	if kind and not mine then return 'moving' end
	note('>')
	call('HSET', base .. 'meta', 'away', id)
	return 'ok'
end

function steps.commit()
	if kind == '=' and mine then return 'ok' end
	if kind ~= '>' or not mine then return 'lost' end
	wipe()
	note('=')
	call('HSET', base .. 'meta', 'away', id)
	call('SREM', KEYS[2], name)
	call('HINCRBY', KEYS[4], 'drops', 1)
	return 'ok'
end

function steps.back()
	if kind == '=' and mine then return 'gone' end
	if kind == '>' and mine then
		call('HDEL', KEYS[3], name)
		call('HDEL', base .. 'meta', 'away')
	end
	return 'ok'
end

function steps.arrive()
	if (kind == '<' or kind == '>') and not mine then return 'moving' end
	if call('SISMEMBER', KEYS[2], name) == 1
	    or not kind and call('EXISTS', base .. 'task') == 1 then
		return 'taken'
	end
	local was = kind == '=' and entry or call('HGET', base .. 'meta', 'was')
	wipe()
	note('<')
	call('HSET', base .. 'meta', 'away', id, 'was', was or '')
	return 'ok'
end

function steps.open()
	if kind == '<' and mine then
		call('HDEL', base .. 'meta', 'away', 'was')
		call('HDEL', KEYS[3], name)
		call('SADD', KEYS[2], name)
		call('HINCRBY', KEYS[4], 'drops', 1)
	end
	return 'ok'
end

function steps.discard()
	if kind ~= '<' or not mine then return 'ok' end
	local was = call('HGET', base .. 'meta', 'was') or ''
	wipe()
	if was == '' then
		call('HDEL', KEYS[3], name)
	else
		call('HSET', KEYS[3], name, was)
		call('HSET', base .. 'meta', 'away', was:match('^.(%S+)'))
	end
	return 'ok'
end

-- Whoever drove it is dead: before its commit it is taken back.
function steps.stale()
	if not kind or not mine then return 'lost' end
	if is_alive() then return 'moving' end
	return kind == '>' and steps.back() or 'ok'
end

-- Of a queue that is not here somebody put the name into the set again.
function steps.tidy()
	if kind == '=' or kind == '<' then call('SREM', KEYS[2], name) end
	return 'ok'
end

-- What became of that move.
function steps.look()
	return mine and (kind == '=' and 'gone' or 'moving') or 'lost'
end

return { steps[step](), call('HLEN', base .. 'task') }
