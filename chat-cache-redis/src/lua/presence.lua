-- How each user is: -1 online, 0 never seen, or when last seen, in µs since 1970.
-- KEYS: ends, seen. ARGV: users.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for at, user in ipairs(ARGV) do
    local ends = redis.call('ZSCORE', KEYS[1], user) or redis.call('ZSCORE', KEYS[2], user)
    ends = tonumber(ends or 0)
    answer[at] = ends > now and -1 or ends
end
return answer
