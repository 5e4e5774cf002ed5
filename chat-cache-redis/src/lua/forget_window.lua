-- Forgets the window of a room. 1: there was one.
-- KEYS: the window.
return redis.call('DEL', KEYS[1])
