-- Gives a device its lease, or renews it. 1: the user came online.
-- KEYS: the user's leases, ends, seen. ARGV: user, session, ttl in µs.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
redis.call('PEXPIREAT', KEYS[1], math.ceil(last / 1000) + 1)
redis.call('ZADD', KEYS[2], last, ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return before > now and 0 or 1
