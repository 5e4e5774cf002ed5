-- Gives a device its lease, or renews it. 1: the user came online.
-- KEYS: the user's leases, ends, seen, the longest lease. ARGV: user, session, ttl in µs.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
-- How long a lease may be, for take_expired.lua.
local longest = math.max(tonumber(redis.call('GET', KEYS[4]) or 0), tonumber(ARGV[3]))
redis.call('SET', KEYS[4], string.format('%.0f', longest), 'PX', math.ceil(longest / 500))
-- A clock that was put back leaves leases behind that would be too long.
local latest = string.format('%.0f', now + longest)
for _, session in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. latest, '+inf')) do
    redis.call('ZADD', KEYS[1], latest, session)
end
local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
redis.call('PEXPIREAT', KEYS[1], math.ceil(last / 1000) + 1)
redis.call('ZADD', KEYS[2], last, ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return before > now and 0 or 1
