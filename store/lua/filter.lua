-- Part of act.lua and list.lua: which tasks of a state are meant. The script
-- says which state, and where in ARGV these begin: glob on the id, text that
-- the last error has (failed, dead), so many ms or longer in the state, worker
-- that holds or finished it (doing, finish), each '' for any; then ids, when
-- only they are meant.
-- include glob.lua
-- CHUNK: Redis keeps a script's last 32 arguments of a call for its next one.
local CHUNK, BYTES, find = 30, 131072, string.find
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
local list = state == 'todo' or state == 'finish'

-- Since when it is in its state; of one that waits, since it was pushed (the
-- end of that second). What is not known is not long ago. Dead ones stand by
-- when they died: where the window begins or ends says it.
local function pushed_at(value)
	return (struct.unpack('>I4', value) + 1577836800) * 1000 + 999
end
local function stamped_at(value)
	return value:byte() >= 128 and struct.unpack('>I6', value, 2) or math.huge
end
local function taken_at(value) return tonumber(value:sub(1, 13)) end
local since = before and ({ todo = pushed_at, delayed = pushed_at,
	doing = taken_at, failed = stamped_at, finish = stamped_at })[state]

local who = state == 'doing' and 15 or 8
local function is_meant(value)
	if not value then return false end
	if text ~= '' then
		local from = value:byte() == FAILED:byte() and 8 or 1
		if not find(value:lower(), text, from, true) then return false end
	end
	if worker ~= '' and (#value ~= who - 1 + #worker
	    or find(value, worker, who, true) ~= who) then
		return false
	end
	return not since or since(value) <= before
end

-- Do values have the text anywhere? Most that are looked through at once have
-- not. And how many bytes they are.
local function look_through(values)
	if text ~= '' then
		local all, joined = pcall(table.concat, values, '\0')
		if all then return find(joined:lower(), text, 1, true), #joined end
	end
	local bytes = 0
	for i = 1, #values do bytes = bytes + (values[i] and #values[i] or 0) end
	return true, bytes
end

-- The places from first to last whose ids are meant, as far as an id says, and
-- these ids; how much that was to do; and how many were no ids but holes.
local function by_id(ids, first, last)
	local at, some, m, work, holes = {}, {}, 0, 0, 0
	for i = first, last do
		local id = ids[i]
		work = work + #id * glob_size
		if id == '' then
			holes = holes + 1
		elseif (not glob or glob(id)) and (not named or named[id]) then
			m = m + 1
			at[m], some[m] = i, id
		end
	end
	return at, some, work, holes
end

-- Looks at ids in that order until most are found: which ones are meant, by
-- their places, how many were looked at, and how many of them were no tasks but
-- holes (act.lua). Values come few at a time: large ones, and a glob that is
-- long on ids that are, end the window early.
local function matching(ids, most)
	local found, n, looked, holes, work = {}, 0, 0, 0, 0
	local all, any = #ids, not glob and not named and not list
	while looked < all and n < most and work < BYTES do
		local last, at, some, gone = math.min(looked + CHUNK, all), nil, nil, 0
		local values, more, did = nil, true, 0
		if not any then at, some, did, gone = by_id(ids, looked + 1, last) end
		work = work + did
		if source and (any or #some > 0) then
			values = any and call('HMGET', base .. source,
				unpack(ids, looked + 1, last))
				or call('HMGET', base .. source, unpack(some))
			more, did = look_through(values)
			work = work + did
		end
		for k = 1, more and (any and last - looked or #some) or 0 do
			if is_meant(not source or values[k]) then
				n = n + 1
				found[n] = any and looked + k or at[k]
				if n == most then break end
			end
		end
		if n == most then
			last = found[n]
			if list then gone = select(4, by_id(ids, looked + 1, last)) end
		end
		looked, holes = last, holes + gone
	end
	return found, looked, holes
end
