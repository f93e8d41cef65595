#!lua flags=no-writes
-- All access tokens, unless the caller has them already.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 the version that
-- the caller has ('' = none), 3 1 to be given them all the same.
-- Reply: the version; then, unless it is the caller's: name, record and last
-- use (or nil) of each. A record is text: token's id, SHA-256 in hex, role,
-- made at, ends at (0 = never), globs on queue names. Atomic: version and
-- tokens belong together.
local call, prefix = redis.call, KEYS[1]
local version = call('HGET', prefix .. 'tokens', '#') or '0'
local reply = { version }
if version == ARGV[2] and ARGV[3] ~= '1' then return reply end
local all = call('HGETALL', prefix .. 'tokens')
for i = 1, #all, 2 do
	if all[i] ~= '#' then
		reply[#reply + 1] = all[i]
		reply[#reply + 1] = all[i + 1]
		reply[#reply + 1] = call('HGET', prefix .. 'tokens:used', all[i])
	end
end
return reply
