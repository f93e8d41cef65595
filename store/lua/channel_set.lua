#!lua flags=allow-oom
-- Notes something of a channel: that it is paused, which columns it has.
-- KEYS: 1 the channel's key prefix. ARGV: 1 clock offset, 2 the field of its
-- meta, 3 its value ('' removes it). Reply: 1. Atomic: one field.
if ARGV[3] == '' then
	redis.call('HDEL', KEYS[1] .. 'meta', ARGV[2])
else
	redis.call('HSET', KEYS[1] .. 'meta', ARGV[2], ARGV[3])
end
return 1
