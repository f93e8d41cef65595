-- Part of act.lua and list.lua: which tasks of a state are meant. The script
-- says which state, and where in ARGV these begin: glob on the id, text that
-- the last error has (failed, dead), so many ms or longer in the state, worker
-- that holds or finished it (doing, finish), each '' for any; then ids, when
-- only they are meant.
-- include glob.lua
local CHUNK, BYTES = 32, 131072
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
local function since(value, score)
	if state == 'dead' then return tonumber(score) end
	if state == 'doing' then return tonumber(value:sub(1, 13)) end
	if state == 'failed' then
		return value:sub(1, 1) == FAILED and struct.unpack('>I6', value, 2)
			or math.huge
	end
	if state == 'finish' then
		return value:byte() >= 128 and struct.unpack('>I6', value, 2)
			or math.huge
	end
	return (struct.unpack('>I4', value) + 1577836800) * 1000 + 999
end

local function is_meant(value, score)
	if not value then return false end
	if text ~= '' then
		local from = value:sub(1, 1) == FAILED and 8 or 1
		if not value:lower():find(text, from, true) then return false end
	end
	if worker ~= '' and value:sub(state == 'doing' and 15 or 8) ~= worker then
		return false
	end
	return not before or since(value, score) <= before
end

-- Looks at ids (with their scores, where there are) in that order, until most
-- are found: which ones are meant, by their places, how many were looked at,
-- and how many of them were no tasks but holes (act.lua). Values come few at a time: large ones, and a glob that is long on ids
-- that are, end the window early.
local function matching(ids, scores, most)
	local found, looked, holes, bytes = {}, 0, 0, 0
	while looked < #ids and #found < most and bytes < BYTES do
		local some, at = {}, {}
		while looked < #ids and #some < CHUNK and bytes < BYTES do
			looked = looked + 1
			local id = ids[looked]
			bytes = bytes + #id * glob_size
			if id == '' then
				holes = holes + 1
			elseif (not glob or glob(id)) and (not named or named[id]) then
				some[#some + 1], at[#at + 1] = id, looked
			end
		end
		local values = source and #some > 0
			and call('HMGET', base .. source, unpack(some))
		for k = 1, #some do
			local value = not source or values[k]
			if source and value then bytes = bytes + #value end
			if is_meant(value, scores and scores[at[k]]) then
				found[#found + 1] = at[k]
				if #found == most then
					looked = at[k]
					break
				end
			end
		end
	end
	return found, looked, holes
end
