#!lua flags=allow-oom
-- Takes over changes that a schedd began and did not live to enter into the
-- audit trail.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 this schedd's id, 3
-- a schedd that gave no sign of life for so many ms is no more.
-- Reply: which and its entry, of each one that is ours now; 100 at most.
-- Atomic: of several schedd one has it.
local call, open = redis.call, KEYS[1] .. 'audit:open'
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, reply = call('HGETALL', open), {}
for i = 1, #all, 2 do
	local owner = all[i]:match('^([^:]*):') or ''
	local seen = call('ZSCORE', KEYS[1] .. 'schedds', owner)
	if owner ~= ARGV[2] and now - (seen or 0) > tonumber(ARGV[3])
	    and #reply < 200 then
		local ours = ARGV[2] .. ':' .. all[i]:gsub(':', '-'):sub(-60)
		call('HSET', open, ours, all[i + 1])
		call('HDEL', open, all[i])
		reply[#reply + 1] = ours
		reply[#reply + 1] = all[i + 1]
	end
end
return reply
