#!lua flags=allow-oom
-- Forgets request ids and cancel marks whose leases would be over.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 limit.
-- Reply: how many. Atomic: a request id and its list of tasks go together.
-- include common.lua
local over = call('ZRANGEBYSCORE', base .. 'requests', '-inf', now,
	'LIMIT', 0, ARGV[2])
if #over > 0 then
	call('ZREM', base .. 'requests', unpack(over))
	call('HDEL', base .. 'request', unpack(over))
end
local marks = call('ZRANGEBYSCORE', base .. 'cancelled', '-inf', now,
	'LIMIT', 0, ARGV[2])
if #marks > 0 then call('ZREM', base .. 'cancelled', unpack(marks)) end
return #over + #marks
