-- Forgets a user. 1: there was something to forget.
-- KEYS: the user's leases, ends, seen. ARGV: user.
local gone = redis.call('DEL', KEYS[1])
gone = gone + redis.call('ZREM', KEYS[2], ARGV[1])
gone = gone + redis.call('ZREM', KEYS[3], ARGV[1])
if gone > 0 then return 1 end
return 0
