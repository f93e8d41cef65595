-- Part of work.lua: the reports. Leaves their letters in reply[1], and at at
-- the first taker.
local max_attempts = tonumber(meta[1] or argv[2])
local retry_base, retry_max = meta[2] or argv[3], meta[3] or argv[4]
local stamp = FINISHED .. struct.pack('>I6', now)
local id, what, who, n = {}, {}, {}, 0
local at = 8
while argv[at] ~= '' do
	local worker, last = argv[at], n + argv[at + 1]
	at = at + 2
	while n < last do
		n = n + 1
		id[n], what[n], who[n] = argv[at], argv[at + 1], worker
		at = at + 2
	end
end
at = at + 1

-- include late.lua
local done, values, results, gone, fails = {}, {}, {}, {}, {}
local letters, ended, lost, d, of = {}, {}, 0, 0, {}
local holder = n > 0 and call('HMGET', base .. 'holder', unpack(id))
for k = 1, n do
	local i, h, worker, letter = id[k], holder[k], who[k], nil
	local finished = what[k] == 'f' or what[k]:byte() == 102
	if ended[i] then
		-- The same report twice in one turn: an answer got lost.
		letter = finished and ended[i] == worker and 'a' or 'l'
	elseif not h then
		letter = unheld(i, finished, worker)
	elseif holder_of(h) ~= worker then
		letter = 'l'
	else
		gone[#gone + 1] = i
		held[worker] = (held[worker] or 0) - 1
	end
	if letter then
		if letter == 'l' then lost = lost + 1 end
		letters[k] = letter
	elseif finished then
		d = d + 1
		done[d], of[d] = i, k
		values[d * 2 - 1], values[d * 2] = i, stamp .. worker
		if what[k] ~= 'f' then
			results[#results + 1], results[#results + 2] = i, what[k]:sub(2)
		end
		ended[i], letters[k] = worker, 'k'
	else
		fails[#fails + 1], ended[i] = k, ''
	end
end

if d > 0 and history_add then
	local value = call('HMGET', base .. 'task', unpack(done))
	local used = call('HMGET', base .. 'retry', unpack(done))
	for j = 1, d do
		local k = of[j]
		history_add(done[j], 'finish', value[j], holder[k], who[k],
			(used[j] or 0) + (holder[k] and 1 or 0), nil,
			what[k] ~= 'f' and what[k]:sub(2))
	end
end
if d > 0 then
	call('RPUSH', base .. 'finish', unpack(done))
	call('HSET', base .. 'task', unpack(values))
	if call('EXISTS', base .. 'retry', base .. 'opts', base .. 'error') > 0 then
		for _, key in ipairs({ 'retry', 'opts', 'error' }) do
			call('HDEL', base .. key, unpack(done))
		end
	end
	if #results > 0 then call('HSET', base .. 'result', unpack(results)) end
end
for _, l in ipairs(late_any and lane_order or {}) do
	pick(base .. lanes[l], late[l])
end
for _, l in ipairs(late) do call('ZREM', base .. l[1], l[2]) end

local dead = 0
for f, k in ipairs(fails) do
	local i = id[k]
	local used = (call('HGET', base .. 'retry', i) or 0) + 1
	local _, own = options(call('HGET', base .. 'opts', i))
	call('HSET', base .. 'retry', i, used)
	call('HSET', base .. 'error', i, FAILED .. stamp:sub(2) .. what[k]:sub(2))
	if what[k]:byte() == 100 or used >= (own or max_attempts) then
		call('ZADD', base .. 'dead', now, i)
		letters[k], dead = 'x', dead + 1
		if history_add then
			history_add(i, 'dead', call('HGET', base .. 'task', i), holder[k],
				who[k], used, what[k]:sub(2))
		end
	else
		local jitter = ((argv[5] + f * 7919) % 2001 - 1000) / 10000
		local wait = math.min(retry_max, retry_base * 2 ^ (used - 1))
		call('ZADD', base .. 'failed', math.floor(now + wait * (1 + jitter)), i)
		letters[k] = 'k'
	end
end
if #gone > 0 then
	call('ZREM', base .. 'doing', unpack(gone))
	call('HDEL', base .. 'holder', unpack(gone))
end
count('finished', d)
count('failed', #fails)
count('dead', dead)
count('lease_lost', lost)
if history_end then history_end() end
local reply = { table.concat(letters), meta[4] and 1 or 0, 0, 0 }
