#!lua flags=allow-oom
-- Makes room among the workers: forgets those that were not heard of for the
-- longest, but none that sends heartbeats or holds a lease.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 how many may stay, 3
-- the rank to begin at, 4 one that sent a heartbeat within so many ms sends
-- them, 5.. names of the queues.
-- Reply: how many went, and where to begin next. At most 1,000 are looked at.
-- Atomic: whoever takes a task meanwhile is not forgotten.
local call, prefix = redis.call, KEYS[1]
local workers, beats = prefix .. 'workers', prefix .. 'beats'
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local over, rank = call('ZCARD', workers) - ARGV[2], tonumber(ARGV[3])
local names = over > 0 and call('ZRANGE', workers, rank, rank + 999) or {}
if #names == 0 then return { 0, 0 } end

local holds = {}
for i = 5, #ARGV do
	local got = call('HGETALL', prefix .. '{' .. ARGV[i] .. '}:held')
	for k = 1, #got, 2 do holds[got[k]] = true end
end
local gone = {}
for _, name in ipairs(names) do
	if #gone >= over then break end
	local beat = not holds[name]
		and call('HGET', prefix .. 'worker:' .. name, 'beat')
	if not holds[name] and not (beat and tonumber(beat) > now - ARGV[4])
	    and not call('ZSCORE', beats, name) then
		gone[#gone + 1] = name
	end
end
if #gone > 0 then
	call('ZREM', workers, unpack(gone))
	for _, name in ipairs(gone) do call('DEL', prefix .. 'worker:' .. name) end
	rank = 0
elseif #names == 1000 then
	rank = rank + 1000
else
	rank = 0
end
return { #gone, rank }
