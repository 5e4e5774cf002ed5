-- Who is online, in no order. KEYS: ends.
local time = redis.call('TIME')
-- A number joined to text would lose digits.
local after = string.format('(%.0f', time[1] * 1000000 + time[2])
return redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf')
