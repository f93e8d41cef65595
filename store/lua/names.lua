#!lua flags=no-writes
-- Which queues there are, and which are on their way to or from here.
-- KEYS: 1 the set of queues, 2 the hash of moves (move.lua). ARGV: none.
-- Reply: how many queues, their names, then for each move queue and entry.
-- Atomic: a queue that arrives is in the one or the other.
local names = redis.call('SMEMBERS', KEYS[1])
local moves = redis.call('HGETALL', KEYS[2])
local reply = { #names }
for i = 1, #names do reply[#reply + 1] = names[i] end
for i = 1, #moves do reply[#reply + 1] = moves[i] end
return reply
