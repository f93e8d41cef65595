#!lua flags=allow-oom
-- Adds or removes an access token, or notes when some were used.
-- KEYS: 1 the store's key prefix. ARGV: 1 clock offset, 2 action;
-- add: 3 name, 4 record (tokens.lua), 5 how many there may be;
-- rm: 3 name; used: 3.. name, time in ms.
-- Reply: ok, exists, unknown, full, or admin: no admin's token would be left
-- beside others; one that is over is no admin's any more. Atomic: so that
-- there always is one, and that the version ('#') says of each change.
local call, key, used = redis.call, KEYS[1] .. 'tokens', KEYS[1] .. 'tokens:used'
local action, name = ARGV[2], ARGV[3]
local now = call('TIME')[1] * 1000 + ARGV[1]

local function is_admin(record)
	local role, ends = record:match('^%S+ %S+ (%S+) %S+ (%S+)')
	return role == 'admin' and (ends == '0' or tonumber(ends) > now)
end

-- How many tokens are there beside this one, and how many of admins?
local function others()
	local all, n, admins = call('HGETALL', key), 0, 0
	for i = 1, #all, 2 do
		if all[i] ~= '#' and all[i] ~= name then
			n = n + 1
			if is_admin(all[i + 1]) then admins = admins + 1 end
		end
	end
	return n, admins
end

if action == 'used' then
	for i = 3, #ARGV, 2 do
		if call('HEXISTS', key, ARGV[i]) == 1 then
			call('HSET', used, ARGV[i], ARGV[i + 1])
		end
	end
	return 'ok'
end

local record = call('HGET', key, name)
local n, admins = others()
if action == 'add' then
	if record then return 'exists' end
	if n >= tonumber(ARGV[5]) then return 'full' end
	if admins == 0 and not is_admin(ARGV[4]) then return 'admin' end
	call('HSET', key, name, ARGV[4])
else
	if not record then return 'unknown' end
	if n > 0 and admins == 0 and is_admin(record) then return 'admin' end
	call('HDEL', key, name)
	call('HDEL', used, name)
end
call('HINCRBY', key, '#', 1)
return 'ok'
