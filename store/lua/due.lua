#!lua flags=allow-oom
-- Moves what is due from failed or delayed to the end of its lane.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 failed or delayed,
-- 3 limit (at most 1,000).
-- Reply: how many. Atomic: an id leaves one set and joins one lane.
-- include common.lua
-- include here.lua
local key = base .. ARGV[2]
local ids = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, ARGV[3])
if #ids == 0 then return 0 end
to_lanes(ids, false)
call('ZREM', key, unpack(ids))
if ARGV[2] == 'failed' then count('retried', #ids) end
return #ids
