#!lua flags=allow-oom
-- Takes in reports of finished and failed tasks.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 max_attempts, 3 retry_base_ms, 4 retry_max_ms, 5 a
-- random number for the jitter, then for each report worker, number of items
-- and for each item id, kind, text. kind is f finished, e failed, d failed
-- for good; text the result or error. At most 2,000 items in all.
-- Reply: a string with a letter for each item: k taken, a taken before (the
-- same finish by the same worker), x taken and now dead, l lease lost, n never
-- handed out, c cancelled, u unknown.
-- Atomic: whether the worker holds the task is checked where it is changed.
-- include common.lua
local meta = call('HMGET', base .. 'meta', 'max_attempts', 'retry_base_ms',
	'retry_max_ms')
local max_attempts = tonumber(meta[1] or ARGV[2])
local retry_base, retry_max = meta[2] or ARGV[3], meta[3] or ARGV[4]
local stamp = 'F' .. struct.pack('>I6', now)
local items, reply = {}, {}
local i = 6
while i <= #ARGV do
	local worker, n = ARGV[i], tonumber(ARGV[i + 1])
	for k = 1, n do
		local at = i + k * 3 - 1
		items[#items + 1] = { id = ARGV[at], kind = ARGV[at + 1],
			text = ARGV[at + 2], worker = worker }
	end
	i = i + 2 + n * 3
end

local holder = {}
for first = 1, #items, 1000 do
	local ids = {}
	for k = first, math.min(first + 999, #items) do
		ids[#ids + 1] = items[k].id
	end
	local got = call('HMGET', base .. 'holder', unpack(ids))
	for k = 1, #ids do holder[ids[k]] = got[k] end
end

-- include late.lua
local done, done_task, results, gone, gone_holder = {}, {}, {}, {}, {}
local fails, ended, lost = {}, {}, 0
for k, it in ipairs(items) do
	local h = holder[it.id]
	local letter
	if ended[it.id] then
		-- The same report twice in one turn: an answer got lost.
		letter = it.kind == 'f' and ended[it.id] == it.worker and 'a' or 'l'
	elseif h and h:match(' (.*)') ~= it.worker then
		letter = 'l'
	elseif not h then
		letter = unheld(it)
	else
		gone[#gone + 1], gone_holder[#gone_holder + 1] = it.id, h
	end
	if letter then
		if letter == 'l' then lost = lost + 1 end
		reply[k] = letter
	elseif it.kind == 'f' then
		local n = #done + 1
		done[n] = it.id
		done_task[n * 2 - 1], done_task[n * 2] = it.id, stamp .. it.worker
		if it.text ~= '' then
			results[#results + 1], results[#results + 2] = it.id, it.text
		end
		ended[it.id], reply[k] = it.worker, 'k'
	else
		fails[#fails + 1], ended[it.id] = k, ''
	end
end

for first = 1, #done, 1000 do
	local last = math.min(first + 999, #done)
	call('RPUSH', base .. 'finish', unpack(done, first, last))
	call('HSET', base .. 'task', unpack(done_task, first * 2 - 1, last * 2))
	for _, key in ipairs({ 'retry', 'opts', 'error' }) do
		if call('EXISTS', base .. key) == 1 then
			call('HDEL', base .. key, unpack(done, first, last))
		end
	end
end
if #results > 0 then call('HSET', base .. 'result', unpack(results)) end
for _, l in ipairs(lane_order) do pick(base .. lanes[l], late[l]) end

local dead = 0
for n, k in ipairs(fails) do
	local it = items[k]
	local used = (call('HGET', base .. 'retry', it.id) or 0) + 1
	local _, own = options(call('HGET', base .. 'opts', it.id))
	call('HSET', base .. 'retry', it.id, used)
	call('HSET', base .. 'error', it.id, it.text)
	if it.kind == 'd' or used >= (own or max_attempts) then
		call('ZADD', base .. 'dead', now, it.id)
		reply[k], dead = 'x', dead + 1
	else
		local jitter = ((ARGV[5] + n * 7919) % 2001 - 1000) / 10000
		local wait = math.min(retry_max, retry_base * 2 ^ (used - 1))
		call('ZADD', base .. 'failed',
			math.floor(now + wait * (1 + jitter)), it.id)
		reply[k] = 'k'
	end
end
for first = 1, #gone, 1000 do
	local last = math.min(first + 999, #gone)
	release({ unpack(gone, first, last) }, { unpack(gone_holder, first, last) })
end
count('finished', #done)
count('failed', #fails)
count('dead', dead)
count('lease_lost', lost)
return table.concat(reply)
