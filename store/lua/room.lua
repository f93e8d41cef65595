#!lua
-- Does nothing: Redis refuses it as it would refuse a push, when its memory
-- is full or it may not be written to.
-- KEYS: 1 any of ours. ARGV: none. Reply: 1. Atomic: nothing to be torn.
return 1
