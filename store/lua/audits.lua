#!lua flags=no-writes
-- A page of the audit trail.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 begin behind this
-- number ('' = so that the last ones are shown), 3 at most so many.
-- Reply: number and hash of the last entry, of the last one that was dropped
-- for age (0 and zeros: none was), then number, hash and text of each.
-- Atomic: the page and the ends belong together.
local call, prefix = redis.call, KEYS[1]
local none = ('0'):rep(64)
local t = call('HMGET', prefix .. 'audit:tip', 'seq', 'hash', 'from_seq',
	'from_hash')
local reply = { t[1] or '0', t[2] or none, t[3] or '0', t[4] or none }
local after = tonumber(ARGV[2] ~= '' and ARGV[2] or reply[1] - ARGV[3])
local page = call('XRANGE', prefix .. 'audit',
	string.format('%.0f', math.max(after, 0) + 1), '+', 'COUNT', ARGV[3])
for i = 1, #page do
	reply[#reply + 1] = page[i][1]:match('^%d+')
	reply[#reply + 1] = page[i][2][4]
	reply[#reply + 1] = page[i][2][2]
end
return reply
