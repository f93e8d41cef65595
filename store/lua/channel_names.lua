#!lua flags=allow-oom
-- Notes which channels there are, and says which others there were.
-- KEYS: 1 the set of names. ARGV: 1 clock offset, then the names of the
-- caller's. Reply: the other names. Atomic: adds, then reads.
local call, ours, others = redis.call, {}, {}
for i = 2, #ARGV do
	ours[ARGV[i]] = true
	call('SADD', KEYS[1], ARGV[i])
end
for _, name in ipairs(call('SMEMBERS', KEYS[1])) do
	if not ours[name] then others[#others + 1] = name end
end
return others
