-- glob_compile(pattern): a function that says whether a text of printable
-- ASCII (an id) matches; the same meaning as glob_match in core/str.h. Between
-- two stars every element stands for one byte, so Lua's own find looks for
-- each part once, with nothing in it that repeats: never more than pattern x
-- text, and not in Lua.

-- The class whose [ is at i as a set of Lua's, and where it ends; one that is
-- not closed ends with the pattern.
local function glob_class(p, i)
	local no, inside, set = p:sub(i + 1, i + 1) == '^', {}, {}
	i = i + (no and 2 or 1)
	local function one()
		if p:byte(i) == 92 and i < #p then i = i + 1 end
		return p:byte(i)
	end
	while i <= #p and p:byte(i) ~= 93 do
		local low = one()
		local high = low
		if i + 2 <= #p and p:byte(i + 1) == 45 and p:byte(i + 2) ~= 93 then
			i = i + 2
			high = one()
		end
		if low > high then low, high = high, low end
		for c = math.max(low, 33), math.min(high, 126) do inside[c] = true end
		i = i + 1
	end
	for c = 33, 126 do
		if (inside[c] or false) ~= no then
			set[#set + 1] = string.char(c):gsub('%W', '%%%0')
		end
	end
	-- %z, the byte 0, is in no id.
	return #set > 0 and '[' .. table.concat(set) .. ']' or '%z',
		math.min(i, #p) + 1
end

local function glob_compile(p)
	local parts, sizes, i = { '' }, { 0 }, 1
	while i <= #p do
		local c, element, after = p:sub(i, i), nil, i + 1
		if c == '*' then
			parts[#parts + 1], sizes[#sizes + 1] = '', 0
		else
			if c == '[' then
				element, after = glob_class(p, i)
			elseif c == '?' then
				element = '.'
			else
				if c == '\\' and i < #p then c, after = p:sub(i + 1, i + 1), i + 2 end
				element = c:gsub('%W', '%%%0')
			end
			parts[#parts] = parts[#parts] .. element
			sizes[#sizes] = sizes[#sizes] + 1
		end
		i = after
	end
	local n, find = #parts, string.find
	local first = '^' .. parts[1] .. (n == 1 and '$' or '')
	local last, size = '^' .. parts[n] .. '$', sizes[n]
	return function(s)
		if not find(s, first) then return false end
		if n == 1 then return true end
		local at = 1 + sizes[1]
		for k = 2, n - 1 do
			local _, over = find(s, parts[k], at)
			if not over then return false end
			at = over + 1
		end
		local tail = #s - size + 1
		return tail >= at and find(s, last, tail) ~= nil
	end
end
