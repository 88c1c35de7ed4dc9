-- Notes that the owner of an entry has done what it was reserved for. KEYS: entry. ARGV: owner.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HSET', KEYS[1], 'committed', '1') end
return 1
