#!lua flags=no-writes
-- A window of one list or set of ids, with what a page of tasks shows.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 the key's end
-- (todo:high, doing, finish ...), 3 index of the first, 4 how many (at most
-- 1,000).
-- Reply: max_attempts of the queue (or nil), then for each id: id, time,
-- holder, retry, opts, error; for finish the time is nil and the holder the
-- value. Atomic: one moment of the set.
-- include common.lua
local name, first = ARGV[2], tonumber(ARGV[3])
local key, last = base .. name, ARGV[3] + ARGV[4] - 1
local list = name == 'finish' or name:sub(1, 4) == 'todo'
local reply = { call('HGET', base .. 'meta', 'max_attempts') }
local ids, score = {}, {}
if list then
	ids = call('LRANGE', key, first, last)
else
	local got = call('ZRANGE', key, first, last, 'WITHSCORES')
	for i = 1, #got, 2 do
		ids[#ids + 1], score[#score + 1] = got[i], got[i + 1]
	end
end
if #ids == 0 then return reply end
local more = name == 'finish' and 'task' or 'holder'
local holder = call('HMGET', base .. more, unpack(ids))
local retry = call('HMGET', base .. 'retry', unpack(ids))
local opts = call('HMGET', base .. 'opts', unpack(ids))
local err = call('HMGET', base .. 'error', unpack(ids))
for i = 1, #ids do
	local r = { ids[i], score[i] or false, holder[i], retry[i], opts[i], err[i] }
	for k = 1, 6 do reply[#reply + 1] = r[k] end
end
return reply
