#!lua flags=no-writes
-- Workers that sent heartbeats and fell silent, and workers to be forgotten.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 silent after so
-- many ms, 3 forgotten after so many ms, 4 limit of silent ones, 5 of those
-- to be forgotten, 6 a gap of more ms between two signs of a schedd's life is
-- an outage.
-- Reply: number of silent ones, they; number of those of the same names that
-- are not silent, they; all as in beats (seen.lua); then the names to be
-- forgotten. After an outage workers have the whole of ARGV[2] to be heard of
-- again. Atomic: read only.
local call, prefix = redis.call, KEYS[1]
local time = call('TIME')
local here = time[1] * 1000 + math.floor(time[2] / 1000)
local now = here + ARGV[1]
local s = call('HMGET', prefix .. 'store', 'beat', 'back')
local limit = ARGV[4]
if here - (s[1] or here) > tonumber(ARGV[6])
    or here - (s[2] or 0) < tonumber(ARGV[2]) then
	limit = 0
end
local silent = call('ZRANGEBYSCORE', prefix .. 'beats', '-inf', now - ARGV[2],
	'LIMIT', 0, limit)
local reply, alive, done = { #silent, unpack(silent) }, {}, {}

local function look(speaker)
	local at = call('ZSCORE', prefix .. 'beats', speaker)
	if at and tonumber(at) > now - ARGV[2] then alive[#alive + 1] = speaker end
end

for _, speaker in ipairs(silent) do
	local name = speaker:match('^%S+')
	if not done[name] then
		done[name] = true
		look(name)
		local info = call('HGETALL', prefix .. 'worker:' .. name)
		for i = 1, #info, 2 do
			local queues = info[i]:match('^for (.*)')
			if queues then look(name .. ' ' .. queues) end
		end
	end
end
reply[#reply + 1] = #alive
for _, speaker in ipairs(alive) do reply[#reply + 1] = speaker end
local old = call('ZRANGEBYSCORE', prefix .. 'workers', '-inf', now - ARGV[3],
	'LIMIT', 0, ARGV[5])
for i = 1, #old do reply[#reply + 1] = old[i] end
return reply
