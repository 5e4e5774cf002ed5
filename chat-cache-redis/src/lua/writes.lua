-- Fails unless this server takes writes; it writes nothing. KEYS: a key that isn't there.
return redis.call('DEL', KEYS[1])
