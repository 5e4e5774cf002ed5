-- Entries of a window, newest first; nothing if it stands elsewhere or lacks one of them.
-- A window is a list: its label and bytes, then its entries, newest first.
-- KEYS: the window. ARGV: label, the places of the first and last wanted, how long it is kept in ms.
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return false end
local there = string.match(redis.call('LINDEX', KEYS[1], 0), '^(%S+) %d+$')
if there ~= ARGV[1] or redis.call('LLEN', KEYS[1]) <= tonumber(ARGV[3]) then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[3])
