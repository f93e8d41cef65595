#!lua flags=allow-oom
-- Looks through one window of a queue and mends what is in no place or in two.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 lease in ms, 3 what: holder, task or a set (4
-- cursor, 5 limit), a list (4 how many at its end to leave alone, 5 limit, 6
-- how many holes were seen there, '' when they need not add up), or place (4..
-- ids).
-- Reply: how many were mended, the next cursor, or how many at the end are now
-- seen, how many holes are among them; then ids: of task those that should be
-- in a list, of a list all.
-- Whoever holds a task has it, then dead, failed, delayed and the lanes;
-- finished is finished. A task that is nowhere goes to the front of its lane.
-- Atomic: a task that moves meanwhile is never seen in two places, or none.
-- include common.lua
-- include here.lua
-- include mend.lua
if what == 'place' then
	for i = 4, #ARGV do place(ARGV[i]) end
	return { mended, '0', 0 }
end
local check = { holder = check_holder, task = check_task, doing = check_member,
	dead = check_member, failed = check_member, delayed = check_member }
if check[what] then
	local scan = (what == 'holder' or what == 'task') and 'HSCAN' or 'ZSCAN'
	-- Values come along, and may be large: how many at a time, the size of
	-- those before tells.
	local cursor, n, bytes, slice = ARGV[4], 0, 0, 1
	repeat
		local got = call(scan, base .. what, cursor, 'COUNT', slice)
		cursor = got[1]
		for i = 1, #got[2], 2 do
			n, bytes = n + 1, bytes + #got[2][i + 1]
			check[what](got[2][i])
		end
		local fit = math.ceil((1048576 - bytes) * n / (bytes + 1))
		slice = math.max(1, math.min(2 * slice, 16, n > 0 and fit or 16))
	until cursor == '0' or n >= tonumber(ARGV[5]) or bytes > 1048576
	return { mended, cursor, 0, unpack(ids) }
end

-- From the end to the front, so that what takes and pushes do meanwhile makes
-- none of the waiting ones be skipped.
local skip, bad, holes = tonumber(ARGV[4]), 0, tonumber(ARGV[6]) or 0
local window = call('LRANGE', base .. what, -(skip + ARGV[5]), -(skip + 1))
for i = 1, #window do
	if window[i] == '' then
		holes = holes + 1
	elseif belongs(window[i]) then
		ids[#ids + 1] = window[i]
	else
		bad = bad + 1
		call('LSET', base .. what, -(skip + 1 + #window - i), '')
	end
end
if bad > 0 then call('LREM', base .. what, -bad, '') end
local said = tonumber(call('HGET', base .. 'meta', 'holes:' .. what) or 0)
if #window == 0 and ARGV[6] ~= '' and said ~= holes then
	mended = mended + 1
	count('holes:' .. what, holes - said)
end
return { mended + bad,
	tostring(#window == 0 and 0 or skip + #window - bad), holes,
	unpack(ids) }
