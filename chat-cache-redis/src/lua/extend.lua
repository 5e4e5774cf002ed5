-- Lets a room's window follow its log. KEYS: the window. ARGV: how long it is kept in ms, its most
-- entries, its most bytes; then for each entry its label, the label before it, 1 if it leaves
-- nothing but itself, and the entry.
local key, most, most_bytes = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local at, bytes
if redis.call('TYPE', key).ok == 'list' then
    at, bytes = string.match(redis.call('LINDEX', key, 0), '^(%S+) (%d+)$')
end
local moved = false
for next = 4, #ARGV, 4 do
    local label, before, alone, entry = ARGV[next], ARGV[next + 1], ARGV[next + 2], ARGV[next + 3]
    local past = at and string.sub(at, 1, -21) == string.sub(label, 1, -21) and at >= label
    if alone == '1' and not past then
        redis.call('DEL', key)
        redis.call('RPUSH', key, label, entry)
        at, bytes, moved = label, #entry, true
    elseif at == before then
        -- The entry takes the label's place.
        redis.call('LSET', key, 0, entry)
        local length = redis.call('LPUSH', key, label)
        at, bytes, moved = label, bytes + #entry, true
        while length > 1 and (length > most + 1 or bytes > most_bytes) do
            bytes = bytes - #redis.call('RPOP', key)
            length = length - 1
        end
    end
end
if moved then
    redis.call('LSET', key, 0, at .. ' ' .. math.max(bytes, 0))
    redis.call('PEXPIRE', key, ARGV[1])
end
