#!lua flags=no-writes
-- Everything about one task.
-- KEYS: 1 the queue's key prefix. ARGV: 1 clock offset, 2 id.
-- Reply: state's letter (- unknown), value, time (lease end, retry_at,
-- run_at, when it died), holder, retry, opts, error, result, max_attempts of
-- the queue; nil where there is none. Atomic: one moment of the task.
-- include common.lua
-- include here.lua
local id = ARGV[2]
local value = call('HGET', base .. 'task', id)
local state = state_of(id, value)
local sets = { g = 'doing', r = 'failed', x = 'dead', y = 'delayed' }
return { state, value,
	sets[state] and call('ZSCORE', base .. sets[state], id) or false,
	call('HGET', base .. 'holder', id), call('HGET', base .. 'retry', id),
	call('HGET', base .. 'opts', id), call('HGET', base .. 'error', id),
	call('HGET', base .. 'result', id),
	call('HGET', base .. 'meta', 'max_attempts') }
