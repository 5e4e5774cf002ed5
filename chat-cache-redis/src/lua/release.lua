-- Ends a device's lease. 1: it was the user's last.
-- KEYS: the user's leases, ends, seen. ARGV: user, session, how many to keep in seen.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local removed = redis.call('ZREM', KEYS[1], ARGV[2])
local before = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0)
-- Whose last lease ran out is told by take_expired.lua.
if removed == 0 or before <= now then return 0 end
local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or 0)
if last > now then
    redis.call('ZADD', KEYS[2], last, ARGV[1])
    return 0
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[3])
return 1
