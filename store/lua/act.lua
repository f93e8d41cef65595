#!lua flags=allow-oom
-- Purges, retries or counts the matching tasks in one window of a state.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 action (count purge retry), 3 the key's end
-- (todo:high, doing, finish ...), 4 how many at the end to leave alone (those
-- were seen before), 5 window (at most 1,000), 6 glob ('' = the ids that
-- follow, 7..).
-- Reply: how many at the end are now seen, how many were looked at, how many
-- matched. Windows go from the end to the front, so that what takes and
-- pushes do meanwhile makes none of the waiting ones be skipped.
-- Atomic: a task is in exactly one state before and after.
-- include common.lua
-- include glob.lua
local action, name, skip = ARGV[2], ARGV[3], tonumber(ARGV[4])
local key = base .. name
local list = name == 'finish' or name:sub(1, 4) == 'todo'
local window = call(list and 'LRANGE' or 'ZRANGE', key,
	-(skip + ARGV[5]), -(skip + 1))

local wanted = {}
for i = 7, #ARGV do wanted[ARGV[i]] = true end
local ids, at = {}, {}
for i = 1, #window do
	local id = window[i]
	if ARGV[6] == '*' or wanted[id] or (ARGV[6] ~= '' and glob(ARGV[6], id)) then
		ids[#ids + 1], at[#at + 1] = id, i
	end
end
if action == 'count' or #ids == 0 then
	return { skip + #window, #window, #ids }
end

-- Joins what it goes to before it leaves where it was: an error half-way
-- loses nothing.
if action == 'retry' then
	to_lanes(ids, false)
	if name == 'dead' then call('HDEL', base .. 'retry', unpack(ids)) end
	count('retried', #ids)
end
if name == 'doing' then
	local holders = call('HMGET', base .. 'holder', unpack(ids))
	for i = 1, #ids do
		local worker = holders[i] and holders[i]:match(' (.*)')
		if worker then
			call('ZADD', base .. 'cancelled', call('ZSCORE', key, ids[i]),
				ids[i] .. ' ' .. worker)
		end
	end
	release(ids, holders)
elseif not list then
	call('ZREM', key, unpack(ids))
elseif #ids == #window and skip == 0 then
	call('LTRIM', key, 0, -(#window + 1))
else
	for i = 1, #ids do
		call('LSET', key, -(skip + 1 + #window - at[i]), '')
	end
	call('LREM', key, -#ids, '')
end
if action == 'purge' then forget(ids) end
return { skip + #window - #ids, #window, #ids }
