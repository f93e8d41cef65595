#!lua flags=allow-oom
-- Forgets that workers send heartbeats, or forgets the workers.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 beats or workers,
-- 3.. names.
-- Reply: how many were known. Atomic: all that is kept of a worker goes.
local call, prefix = redis.call, KEYS[1]
call('ZREM', prefix .. 'beats', unpack(ARGV, 3))
if ARGV[2] == 'beats' then return #ARGV - 2 end
local known = call('ZREM', prefix .. 'workers', unpack(ARGV, 3))
for i = 3, #ARGV do call('DEL', prefix .. 'worker:' .. ARGV[i]) end
return known
