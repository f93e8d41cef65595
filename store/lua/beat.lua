#!lua flags=allow-oom
-- One schedd's sign of life, once a second.
-- KEYS: 1 the store's hash, 2 the schedd that are alive, 3 the audit trail's
-- end, 4 the changes that are about to be made.
-- ARGV: 1 this schedd's id, 2 the generation it knows ('' = none yet), 3 the
-- highest sequence it saw, 4 a generation for a new store, 5 a gap between
-- two signs of more ms is an outage, 6 for so many ms after an outage another
-- one counts as its going on.
-- Reply: generation, sequence, now, since when nobody could be reached and
-- until when, the last time (0 0 = never), how many other schedd are alive,
-- number and hash of the audit trail's last entry, how many changes are about
-- to be made.
-- Only the generation and sequence found, when it is not the store that was
-- known: then nothing is written. Times here are Redis's own, without offset.
-- Atomic: of several schedd the newest sign counts, and one notes an outage.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local s = call('HMGET', KEYS[1], 'generation', 'sequence', 'beat', 'away',
	'back')
if ARGV[2] ~= '' and (s[1] ~= ARGV[2]
    or tonumber(s[2] or 0) < tonumber(ARGV[3])) then
	return { s[1] or '', s[2] or 0 }
end
local generation = s[1] or ARGV[4]
local beat = tonumber(s[3] or now)
-- After a step back of the clock no outage lies ahead.
local away, back = math.min(s[4] or 0, now), math.min(s[5] or 0, now)
if now - beat > tonumber(ARGV[5]) then
	if beat - back > tonumber(ARGV[6]) then away = beat end
	back = now
end
local sequence = (s[2] or 0) + 1
call('HSET', KEYS[1], 'layout', 1, 'generation', generation, 'sequence',
	sequence, 'beat', now, 'away', away, 'back', back)
call('ZADD', KEYS[2], now, ARGV[1])
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[5])
-- What somebody else made of it there stops no sign of life.
local tip = redis.pcall('HMGET', KEYS[3], 'seq', 'hash')
local open = redis.pcall('HLEN', KEYS[4])
if type(open) ~= 'number' then open = 0 end
return { generation, sequence, now, away, back, call('ZCARD', KEYS[2]) - 1,
	tip[1] or '0', tip[2] or ('0'):rep(64), open }
