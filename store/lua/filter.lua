-- Part of act.lua and list.lua: which tasks of a state are meant. The script
-- says which state, and where in ARGV these begin: glob on the id, text that
-- the last error has (failed, dead), so many ms or longer in the state, worker
-- that holds or finished it (doing, finish), each '' for any; then ids, when
-- only they are meant.
-- include glob.lua
local CHUNK, BYTES, find = 32, 131072, string.find
local glob = ARGV[wants] ~= '' and ARGV[wants] ~= '*'
	and glob_compile(ARGV[wants])
local glob_size = glob and #ARGV[wants] / 16 or 0
local text, worker = ARGV[wants + 1]:lower(), ARGV[wants + 3]
local before = ARGV[wants + 2] ~= '' and now - ARGV[wants + 2]
local named = #ARGV > wants + 3 and {}
for i = wants + 4, #ARGV do named[ARGV[i]] = true end
-- The hash that has what is asked for beyond the id, if anything is.
local sources = { todo = 'task', delayed = 'task', doing = 'holder',
	failed = 'error', dead = text ~= '' and 'error', finish = 'task' }
local source = (text ~= '' or worker ~= '' or before) and sources[state]

-- Since when it is in its state; of one that waits, since it was pushed (the
-- end of that second). What is not known is not long ago.
local function pushed_at(value)
	return (struct.unpack('>I4', value) + 1577836800) * 1000 + 999
end
local function stamped_at(value)
	return value:byte() >= 128 and struct.unpack('>I6', value, 2) or math.huge
end
local function taken_at(value) return tonumber(value:sub(1, 13)) end
local function died_at(_, score) return tonumber(score) end
local since = ({ todo = pushed_at, delayed = pushed_at, doing = taken_at,
	failed = stamped_at, finish = stamped_at, dead = died_at })[state]

local who = state == 'doing' and 15 or 8
local function is_meant(value, score)
	if not value then return false end
	if text ~= '' then
		local from = value:byte() == FAILED:byte() and 8 or 1
		if not find(value:lower(), text, from, true) then return false end
	end
	if worker ~= '' and (#value ~= who - 1 + #worker
	    or find(value, worker, who, true) ~= who) then
		return false
	end
	return not before or since(value, score) <= before
end

-- Does any of these values have the text? Most that are looked through at once
-- have not.
local function any_has_text(values)
	local all, joined = pcall(table.concat, values, '\0')
	return not all or find(joined:lower(), text, 1, true)
end

-- Is it meant, as far as its id says?
local function is_one(id)
	return (not glob or glob(id)) and (not named or named[id])
end

-- Looks at ids (with their scores, where there are) in that order, until most
-- are found: which ones are meant, by their places, how many were looked at,
-- and how many of them were no tasks but holes (act.lua). Values come few at a
-- time: large ones, and a glob that is long on ids that are, end the window
-- early.
local function matching(ids, scores, most)
	local found, n, looked, holes, bytes = {}, 0, 0, 0, 0
	local all, any = #ids, not glob and not named
	while looked < all and bytes < BYTES do
		local some, at, m = {}, {}, 0
		for i = looked + 1, math.min(looked + CHUNK, all) do
			local id = ids[i]
			bytes = bytes + #id * glob_size
			if id ~= '' and (any or is_one(id)) then
				m = m + 1
				some[m], at[m] = id, i
			end
		end
		local values = source and m > 0
			and call('HMGET', base .. source, unpack(some))
		if not values or text == '' or any_has_text(values) then
			for k = 1, m do
				if is_meant(not source or values[k], scores and scores[at[k]]) then
					n = n + 1
					found[n] = at[k]
					if n == most then break end
				end
			end
		end
		for k = 1, source and m or 0 do
			bytes = bytes + (values[k] and #values[k] or 0)
		end
		local last = n == most and found[n] or math.min(looked + CHUNK, all)
		for i = looked + 1, last do
			if ids[i] == '' then holes = holes + 1 end
		end
		looked = last
		if n == most then break end
	end
	return found, looked, holes
end
