-- Part of act.lua: the next window of a list or a sorted set, from its end to
-- its front.

-- The window behind the last one seen, if that is where it was or near: tasks
-- that came to the end meanwhile, or left it, have moved it.
local function list_window(key, skip, last, size)
	local over, ids = math.min(skip, 64), {}
	local got = call('LRANGE', key, -(skip + size), -(skip - over + 1))
	local first = #got - over
	for i = #got, 1, -1 do
		if last ~= '' and got[i] == last then
			first = i - 1
			break
		end
	end
	for i = first, math.max(1, first - size + 1), -1 do
		ids[#ids + 1] = got[i]
	end
	return ids, skip + #got - over - first,
		#got == over + size or first > size
end

-- The same by what was seen last; once that is gone, or somewhere else, by its
-- score: what came to the end since is not looked at, nor what has a score
-- beyond most (nil: any).
local function set_window(key, skip, score, last, size, most)
	if last ~= '' and call('ZSCORE', key, last) == score then
		skip = call('ZREVRANK', key, last) + 1
	elseif score ~= '' then
		skip = call('ZCOUNT', key, '(' .. score, '+inf')
	end
	if most then
		local beyond = call('ZCOUNT', key, string.format('(%.0f', most), '+inf')
		skip = math.max(skip, beyond)
	end
	return call('ZRANGE', key, skip, skip + size - 1, 'REV'), skip
end
