#!lua flags=allow-oom
-- Appends an entry to the audit trail, if the chain still ends where the
-- caller thinks; drops the oldest beyond the cap and remembers where the
-- chain then begins.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 the entry's number,
-- 3 hash of the one before it, 4 its hash, 5 its text, 6 cap, 7 the change that
-- was noted as about to be made ('' = none).
-- Reply: ok or tip; then number and hash of the last entry. tip: nothing was
-- written, the chain ends there. An entry that is there already is ok.
-- Atomic: no two writers continue the chain at the same place.
local call, stream, tip = redis.call, KEYS[1] .. 'audit', KEYS[1] .. 'audit:tip'
local seq, prev, hash = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local last = call('HMGET', tip, 'seq', 'hash')
local last_seq, last_hash = last[1] or '0', last[2] or ('0'):rep(64)
if tonumber(last_seq) + 1 ~= seq or last_hash ~= prev then
	local there = call('XRANGE', stream, ARGV[2], ARGV[2])[1]
	local is_there = there and there[2][4] == hash
	if is_there then call('HDEL', KEYS[1] .. 'audit:open', ARGV[7]) end
	return { is_there and 'ok' or 'tip', last_seq, last_hash }
end
-- A stream whose end was cut off still knows its old last number, and takes
-- none below.
local function add()
	call('XADD', stream, seq .. '-0', 'entry', ARGV[5], 'hash', hash)
end
if not pcall(add) then
	call('XSETID', stream, last_seq .. '-0')
	add()
end
call('HSET', tip, 'seq', seq, 'hash', hash)
call('HDEL', KEYS[1] .. 'audit:open', ARGV[7])
local first_kept = seq - tonumber(ARGV[6]) + 1
if first_kept > 1 then
	local old = call('XRANGE', stream, '-', first_kept - 1, 'COUNT', 100)
	if #old > 0 then
		local newest = old[#old]
		call('HSET', tip, 'from_seq', newest[1]:match('^%d+'),
			'from_hash', newest[2][4])
		for i = 1, #old do call('XDEL', stream, old[i][1]) end
	end
end
return { 'ok', ARGV[2], hash }
