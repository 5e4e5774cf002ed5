-- Takes users whose last lease ran out. KEYS: ends, seen, the longest lease. ARGV: limit, how many to
-- keep in seen.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Leases that a clock which was put back left behind would be too long: they begin anew, once.
local longest = tonumber(redis.call('GET', KEYS[3]) or 0)
if longest > 0 then
    local latest = string.format('%.0f', now + longest)
    local late = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. latest, '+inf', 'LIMIT', 0, ARGV[1])
    for _, user in ipairs(late) do redis.call('ZADD', KEYS[1], latest, user) end
end
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local users = {}
for at = 1, #found, 2 do
    redis.call('ZADD', KEYS[2], found[at + 1], found[at])
    redis.call('ZREM', KEYS[1], found[at])
    users[#users + 1] = found[at]
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[2])
return users
