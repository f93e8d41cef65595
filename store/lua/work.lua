#!lua flags=allow-oom
-- Takes in reports of finished and failed tasks, then hands out tasks: what
-- a turn of the loop asks of one queue.
-- KEYS: 1 the queue's key prefix.
-- ARGV: 1 clock offset, 2 max_attempts, 3 retry_base_ms, 4 retry_max_ms, 5 a
-- random number for the jitter, 6 lease in ms, 7 where the history goes
-- (history.lua); then reports: worker, number
-- of items and for each item id, and f finished, e failed, or d failed for
-- good with the result or error behind it. Then '' and, for each taker,
-- worker, count, lease in ms ('' = the queue's), request id ('' = none). At
-- most 2,000 items, and counts that add up to 3,000 at most.
-- Reply: 1 a string with a letter for each item: k taken, a taken before (the
-- same finish by the same worker), x taken and now dead, l lease lost, n never
-- handed out, c cancelled, u unknown. 2 1 or 0 for paused, 3 how many ids had
-- no task (dropped), 4 how many are left in the lanes (0 when none was found);
-- then for each taker lease end, n (-1: a request id that was served before
-- and holds nothing any more), and n times id, attempt, value.
-- Atomic: whether the worker holds a task is checked where it is changed; an
-- id that leaves a lane is in doing, under a lease, with its holder; the
-- attempt is retry + 1, so nothing is written for it.
-- include common.lua
-- include spool.lua
local history_to = ARGV[7]
-- include history.lua
local argv, argc = ARGV, #ARGV
local meta = call('HMGET', base .. 'meta', 'max_attempts', 'retry_base_ms',
	'retry_max_ms', 'paused', 'lease_ms', 'holes:todo:high',
	'holes:todo:normal', 'holes:todo:low', 'away')
if meta[9] then return redis.error_reply('AWAY on another backend') end
-- A redis.call costs more than what it calls: those that have nothing to do
-- are left out, and a worker that reports one task and takes another holds as
-- many as before.
local held = {}

-- include report.lua
-- What was reported stays so when the rest fails: held must say so, too.
local ok, why = pcall(function()
-- include take.lua
end)
settle(held)
if not ok then error(why, 0) end
return reply
