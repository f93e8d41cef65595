#!lua flags=allow-oom
-- Entries to come stand behind one whose rows are in the database. A Redis
-- that took over may have lost the end of the spool, and its clock may be
-- behind: what it added would look like what has been brought.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 that entry's id.
-- Reply: 1 when the spool had to be told, else 0. Atomic: one entry that is
-- added, when that can be, and removed.
local call, key = redis.call, KEYS[1] .. 'spool'
local added = redis.pcall('XADD', key, ARGV[2], 'n', 0)
if type(added) == 'table' and added.err then return 0 end
call('XDEL', key, ARGV[2])
return 1
