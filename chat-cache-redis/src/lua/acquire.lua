-- Decides one request as RatePolicy::decide does, and remembers what later ones need.
-- KEYS: the budget. ARGV: kind, limit or burst, window or interval, mute, now; all times in µs,
-- `now` empty for the server's own. Answers {decision, how long to wait}.
local ALLOWED, REFUSED, MUTED_NOW, MUTED = 0, 1, 2, 3
local kind, units, length, mute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[5])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
local state = redis.call('HMGET', KEYS[1], 'phase', 'ends', 'used')
local phase, ends, used = state[1], tonumber(state[2] or 0), tonumber(state[3] or 0)

local function remember(next_phase, next_ends, next_used)
    redis.call('HSET', KEYS[1], 'phase', next_phase, 'ends', next_ends, 'used', next_used)
    redis.call('PEXPIRE', KEYS[1], math.min(math.ceil((next_ends - now) / 1000) + 1, 1e15))
end

-- Another policy may have left a later time behind, or a clock that was put back. It is
-- remembered, or each request would begin the wait anew.
local longest = kind == 'steady' and length * units or phase == 'muted' and mute or length
if ends > now + longest then
    ends = now + longest
    if phase then remember(phase, ends, used) end
end
if kind == 'steady' then
    local arrival = phase == 'steady' and math.max(ends, now) or now
    local wait = arrival - length * (units - 1) - now
    if wait > 0 then return {REFUSED, wait} end
    remember('steady', arrival + length, 0)
    return {ALLOWED, 0}
end
if phase == 'muted' and now < ends then return {MUTED, ends - now} end
if phase ~= 'window' or now >= ends then
    used, ends = 0, now + length
end
if used < units then
    remember('window', ends, used + 1)
    return {ALLOWED, 0}
end
if mute == 0 then return {REFUSED, ends - now} end
remember('muted', now + mute, 0)
return {MUTED_NOW, mute}
