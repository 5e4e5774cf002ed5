-- Gives a room a window, unless it has one of the same epoch that stands further on.
-- KEYS: the window. ARGV: label, how long it is kept in ms, bytes, entries, newest first.
-- A label is the epoch and 20 digits, so those of an epoch compare as their numbers do.
local label = ARGV[1]
if redis.call('TYPE', KEYS[1]).ok == 'list' then
    local there = string.match(redis.call('LINDEX', KEYS[1], 0), '^(%S+) %d+$') or ''
    if string.sub(there, 1, -21) == string.sub(label, 1, -21) and there > label then return end
end
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], label .. ' ' .. ARGV[3], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
