-- Beginning of the prototypes. The runner puts the knobs in front: DOING
-- zset | lease, FINISH list | stream | zset, PAYLOAD hash | lane, MOVES flat |
-- nested | ids, COUNT each | once | off, LEAN true | false; variants.py says which.
local call, base = redis.call, KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local lanes = { 'todo:high', 'todo:normal', 'todo:low' }

local function count(field, n)
	if COUNT ~= 'off' then call('HINCRBY', base .. 'meta', field, n) end
end

-- Workers hold so many more (or less, by < 0).
local function hold(by)
	if COUNT == 'each' then
		for worker, n in pairs(by) do
			if call('HINCRBY', base .. 'held', worker, n) <= 0 then
				call('HDEL', base .. 'held', worker)
			end
		end
	elseif COUNT == 'once' then
		local workers, set, gone = {}, {}, {}
		for worker in pairs(by) do workers[#workers + 1] = worker end
		local held = call('HMGET', base .. 'held', unpack(workers))
		for i, worker in ipairs(workers) do
			local n = (held[i] or 0) + by[worker]
			if n > 0 then
				set[#set + 1], set[#set + 2] = worker, n
			else
				gone[#gone + 1] = worker
			end
		end
		if #set > 0 then call('HSET', base .. 'held', unpack(set)) end
		if #gone > 0 then call('HDEL', base .. 'held', unpack(gone)) end
	end
end
