#!lua
-- Takes in one worker's report together with the rows that it brings.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 to 7 as work.lua; 8 worker, 9 number of items, then the items as
-- there, and ''; then rows, for each piece: the channel's key prefix, rows and
-- bytes that may wait there, the item that brings them (from 1 on; 0: the
-- report as a whole), how many they are, and they as JSON with commas between.
-- Reply: a string with a letter for each item, as work.lua; then 1 or 0 for
-- each piece: are its rows in the spool? Those of an item are when it was
-- taken now, those of the whole when any was. Where there is no room nothing
-- is done: an empty string, and the number of the piece.
-- Atomic: a task is finished and its rows are in the spool, or neither.
-- include common.lua
-- include spool.lua
local history_to = ARGV[7]
-- include history.lua
local argv = ARGV
local meta = call('HMGET', base .. 'meta', 'max_attempts', 'retry_base_ms',
	'retry_max_ms', 'paused', 'lease_ms', 'away')
if meta[6] then return redis.error_reply('AWAY on another backend') end
local held, first = {}, 11 + 2 * argv[9]

local sums = {}
for p = first, #argv, 6 do
	local sum = sums[argv[p]] or { rows = 0, bytes = 0 }
	sum.rows, sum.bytes = sum.rows + argv[p + 4], sum.bytes + #argv[p + 5] + 2
	sums[argv[p]] = sum
	if not spool_room(argv[p], argv[p + 1], argv[p + 2], sum.rows, sum.bytes) then
		return { '', (p - first) / 6 + 1 }
	end
end

-- include report.lua
settle(held)

local order, of, out = {}, {}, { reply[1] }
local any = reply[1]:find('[kx]') ~= nil
for p = first, #argv, 6 do
	local owner = tonumber(argv[p + 3])
	local letter = owner > 0 and reply[1]:sub(owner, owner)
	local is_new = letter == 'k' or letter == 'x' or not letter and any
	out[#out + 1] = is_new and 1 or 0
	if is_new then
		local key = argv[p]
		if not of[key] then
			of[key], order[#order + 1] = { n = 0 }, key
		end
		of[key].n = of[key].n + argv[p + 4]
		table.insert(of[key], argv[p + 5])
	end
end
for _, key in ipairs(order) do
	spool_add(key, of[key].n, '[' .. table.concat(of[key], ',') .. ']')
end
return out
