-- Part of report.lua: what arrives after its lease.
-- A report for a task that nobody holds: the letter why it is not taken, or
-- nil when a late finish is (the task is then out of where it waited, or is in
-- late, to be taken out of its lane).
local late = { h = {}, n = {}, l = {} }
local function unheld(it)
	local value = call('HGET', base .. 'task', it.id)
	if it.kind == 'f' and value and value:byte() == 70
	    and value:sub(8) == it.worker then
		return 'a'
	end
	if call('ZSCORE', base .. 'cancelled', it.id .. ' ' .. it.worker) then
		return 'c'
	end
	local state = state_of(it.id, value)
	if state == '-' then return 'u' end
	if state == 'f' then return 'l' end
	local tried = call('HGET', base .. 'retry', it.id)
	if not tried then return 'n' end
	if it.kind ~= 'f' then return 'l' end
	if state == 't' then
		local lane = late[options(call('HGET', base .. 'opts', it.id))]
		lane[#lane + 1] = it.id
	else
		local sets = { r = 'failed', x = 'dead', y = 'delayed' }
		call('ZREM', base .. sets[state], it.id)
	end
	return nil
end
