-- Part of report.lua: what arrives after its lease.
-- A report for a task that nobody holds: the letter why it is not taken, or
-- nil when a late finish is: the task is then in late, to be taken out of where
-- it is once it is finished. In doing without a holder: a script broke off.
local late, late_any = { h = {}, n = {}, l = {} }, false
local late_sets = { g = 'doing', r = 'failed', x = 'dead', y = 'delayed' }
local function unheld(id, finished, worker)
	local value = call('HGET', base .. 'task', id)
	if finished and value and value:byte() >= 128
	    and value:sub(8) == worker then
		return 'a'
	end
	if call('ZSCORE', base .. 'cancelled', id .. ' ' .. worker) then
		return 'c'
	end
	local state = state_of(id, value)
	if state == '-' then return 'u' end
	if state == 'f' then return 'l' end
	local tried = call('HGET', base .. 'retry', id)
	if not tried then return 'n' end
	if not finished then return 'l' end
	if state == 't' then
		local lane = late[options(call('HGET', base .. 'opts', id))]
		lane[#lane + 1], late_any = id, true
	else
		late[#late + 1] = { late_sets[state], id }
	end
	return nil
end
