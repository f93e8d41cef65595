-- Takes in reports of finished tasks. ARGV: 1 clock offset, 2 to 5 the retry
-- policy, then worker, n, and for each item id, kind, text; LEAN: n ids.
local meta = call('HMGET', base .. 'meta', 'max_attempts', 'retry_base_ms',
	'retry_max_ms')
local stamp = 'F' .. struct.pack('>I6', now)
local WORKER = DOING == 'lease' and 25 or 15
local ids, done, held, takes, fails = {}, {}, {}, {}, {}
local reply, i, most = {}, 6, tonumber(meta[1] or ARGV[2])

local function finish(id, worker, h)
	local holds = h and (LEAN and h:sub(WORKER) or h:match(' ([^ ]*)'))
	if holds ~= worker then return 'l' end
	local n = #ids + 1
	ids[n], done[n * 2 - 1], done[n * 2] = id, id, stamp .. worker
	held[worker] = (held[worker] or 0) - 1
	if DOING == 'lease' then
		local number = h:sub(14, 23)
		takes[number] = (takes[number] or 0) + 1
	end
	return 'k'
end

if LEAN then
	local wanted, by = {}, {}
	while i <= #ARGV do
		for k = i + 2, i + 1 + ARGV[i + 1] do
			wanted[#wanted + 1], by[#by + 1] = ARGV[k], ARGV[i]
		end
		i = i + 2 + ARGV[i + 1]
	end
	local holder = call('HMGET', base .. 'holder', unpack(wanted))
	for k = 1, #wanted do
		reply[k] = finish(wanted[k], by[k], holder[k])
	end
else
	local items, wanted, ended = {}, {}, {}
	while i <= #ARGV do
		local n = tonumber(ARGV[i + 1])
		for k = 1, n do
			local at = i + k * 3 - 1
			items[#items + 1] = { id = ARGV[at], kind = ARGV[at + 1],
				text = ARGV[at + 2], worker = ARGV[i] }
		end
		i = i + 2 + n * 3
	end
	for k = 1, #items do wanted[k] = items[k].id end
	local holder, holds = call('HMGET', base .. 'holder', unpack(wanted)), {}
	for k = 1, #items do holds[wanted[k]] = holder[k] end
	for k, it in ipairs(items) do
		reply[k] = ended[it.id] and 'a'
			or finish(it.id, it.worker, holds[it.id])
		if it.kind ~= 'f' then fails[#fails + 1] = most end
		ended[it.id] = it.worker
	end
end
if #ids > 0 then
	if FINISH == 'list' then
		call('RPUSH', base .. 'finish', unpack(ids))
	elseif FINISH == 'zset' then
		local scores = {}
		for k = 1, #ids do scores[k * 2 - 1], scores[k * 2] = now, ids[k] end
		call('ZADD', base .. 'finish', unpack(scores))
	else
		for k = 1, #ids do call('XADD', base .. 'finish', '*', 'i', ids[k]) end
	end
	call('HSET', base .. 'task', unpack(done))
	for _, key in ipairs({ 'retry', 'opts', 'error' }) do
		if call('EXISTS', base .. key) == 1 then
			call('HDEL', base .. key, unpack(ids))
		end
	end
	if DOING == 'zset' then call('ZREM', base .. 'doing', unpack(ids)) end
	call('HDEL', base .. 'holder', unpack(ids))
	for number, n in pairs(takes) do
		if call('HINCRBY', base .. 'left', number, -n) <= 0 then
			call('ZREM', base .. 'leases', number)
			call('HDEL', base .. 'left', number)
			call('HDEL', base .. 'takes', number)
		end
	end
	hold(held)
	count('finished', #ids)
end
return LEAN and #reply == #ids and #ids or table.concat(reply)
