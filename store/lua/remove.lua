#!lua flags=allow-oom
-- Removes one task, whatever its state. A held one is cancelled: a mark stays
-- until its lease would have ended, so that its worker is told.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 id.
-- Reply: the letter of the state it was in, - when it is not known.
-- Atomic: found and removed at one moment.
-- include common.lua
-- include here.lua
local id = ARGV[2]
local state = state_of(id, call('HGET', base .. 'task', id))
local sets = { r = 'failed', x = 'dead', y = 'delayed' }
if state == '-' then
	return state
elseif state == 'g' then
	local holder = call('HGET', base .. 'holder', id)
	if holder then
		call('ZADD', base .. 'cancelled', call('ZSCORE', base .. 'doing', id),
			id .. ' ' .. holder:match(' (.*)'))
	end
	release({ id }, { holder })
elseif state == 't' then
	local lane = options(call('HGET', base .. 'opts', id))
	call('LREM', base .. lanes[lane], 1, id)
elseif state == 'f' then
	call('LREM', base .. 'finish', 1, id)
else
	call('ZREM', base .. sets[state], id)
end
forget({ id })
return state
