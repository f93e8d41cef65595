-- Part of drop.lua and move.lua: what may stand behind a queue's key prefix.
local all_keys = { 'task', 'todo:high', 'todo:normal', 'todo:low', 'delayed',
	'doing', 'holder', 'held', 'retry', 'failed', 'finish', 'dead', 'error',
	'result', 'opts', 'request', 'requests', 'cancelled', 'meta' }
