#!lua flags=allow-oom
-- Notes a change that is about to be made, until its entry is in the audit
-- trail; or that it was not made.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 whose it is and
-- which, with a colon between, 3 the entry ('' = it was not made).
-- Reply: 1.
-- Atomic: one write.
local open = KEYS[1] .. 'audit:open'
if ARGV[3] == '' then
	redis.call('HDEL', open, ARGV[2])
else
	redis.call('HSET', open, ARGV[2], ARGV[3])
end
return 1
