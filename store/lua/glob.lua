-- glob(pattern, text): the same meaning as glob_match in core/str.h.

-- Does byte c belong to the class whose [ is at i? And where it ends; one
-- that is not closed ends with the pattern.
local function glob_class(p, i, c)
	local no, found = p:sub(i + 1, i + 1) == '^', false
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
		found = found or c >= math.min(low, high) and c <= math.max(low, high)
		i = i + 1
	end
	return found ~= no, math.min(i, #p) + 1
end

-- Does the element of the pattern at i, which is no star, match byte c? And
-- where the next one begins.
local function glob_one(p, i, c)
	local want = p:byte(i)
	if want == 91 then return glob_class(p, i, c) end
	if want == 63 then return true, i + 1 end
	if want == 92 and i < #p then
		i = i + 1
		want = p:byte(i)
	end
	return want == c, i + 1
end

-- Steps back to the last star only, so never more than pattern x text.
local function glob(p, s)
	local pi, si, star, mark = 1, 1, nil, nil
	while si <= #s do
		local hit, after = false, pi
		if pi <= #p and p:byte(pi) ~= 42 then
			hit, after = glob_one(p, pi, s:byte(si))
		end
		if pi <= #p and p:byte(pi) == 42 then
			pi = pi + 1
			star, mark = pi, si
		elseif hit then
			pi, si = after, si + 1
		elseif star then
			mark = mark + 1
			pi, si = star, mark
		else
			return false
		end
	end
	return p:sub(pi):match('^%**$') ~= nil
end
