#!lua
-- Adds rows to a channel's spool: all of them, or none when there is no room.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 rows and 3 bytes
-- that may wait, 4 how many rows these are; then for each entry how many it
-- has, and they as a JSON array.
-- Reply: the entries' ids; none when there is no room. Atomic: what is in the
-- spool is counted.
local call, key, bytes, ids = redis.call, KEYS[1], 0, {}
-- include spool.lua
for i = 6, #ARGV, 2 do bytes = bytes + #ARGV[i] end
if not spool_room(key, ARGV[2], ARGV[3], ARGV[4], bytes) then return ids end
for i = 5, #ARGV, 2 do
	ids[#ids + 1] = spool_add(key, ARGV[i], ARGV[i + 1])
end
return ids
