-- glob(pattern, text): the same meaning as glob_match in core/str.h.
-- Steps back to the last * only, so never more than pattern x text.
local function glob(p, s)
	local pi, si, star, mark = 1, 1, nil, nil
	while si <= #s do
		local c, len, hit = p:sub(pi, pi), 1, false
		if c == '*' then
			star, mark, pi = pi, si, pi + 1
		else
			if c == '?' then
				hit = true
			elseif c == '[' then
				local close = p:find(']', pi + 2, true)
				if close then
					local class = p:sub(pi + 1, close - 1)
					local no = class:sub(1, 1) == '^'
					local k, x = no and 2 or 1, s:sub(si, si)
					while k <= #class do
						local lo, hi = class:sub(k, k), class:sub(k, k)
						if class:sub(k + 1, k + 1) == '-' and k + 2 <= #class then
							hi, k = class:sub(k + 2, k + 2), k + 2
						end
						if x >= lo and x <= hi then hit = true end
						k = k + 1
					end
					if no then hit = not hit end
					len = close - pi + 1
				else
					hit = s:sub(si, si) == '['
				end
			else
				if c == '\\' and pi < #p then
					pi = pi + 1
					c = p:sub(pi, pi)
				end
				hit = c ~= '' and c == s:sub(si, si)
			end
			if hit then
				pi, si = pi + len, si + 1
			elseif star then
				pi, mark = star + 1, mark + 1
				si = mark
			else
				return false
			end
		end
	end
	return p:sub(pi):match('^%**$') ~= nil
end
