-- Part of take.lua (work.lua): a request that is repeated.
-- What an earlier take with the same request id got and still holds. A space
-- in front for each repeat: untake.lua gives back when the last of them left,
-- or never where there were 255.
local function again(field)
	local text = call('HGET', base .. 'request', field)
	if not text then return nil end
	local worker, ids = field:match('^(.-) '), {}
	for id in text:gmatch('%S+') do
		local holder = call('HGET', base .. 'holder', id)
		if holder and holder_of(holder) == worker then
			ids[#ids + 1] = id
		end
	end
	if #ids > 0 and #text:match('^ *') < 255 then
		call('HSET', base .. 'request', field, ' ' .. text)
	end
	return ids
end
