-- Part of what looks at a queue's tasks or changes them: refused while the
-- queue is on its way to another backend, and when it is there (move.lua).
if call('HEXISTS', base .. 'meta', 'away') == 1 then
	return redis.error_reply('AWAY the queue is on another backend, or soon')
end
