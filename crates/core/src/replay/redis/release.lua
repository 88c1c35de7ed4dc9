-- Forgets an entry that this owner reserved and did not commit. KEYS: entry, counts of all, counts of the app. ARGV: owner.
local held = redis.call('HMGET', KEYS[1], 'owner', 'committed', 'bucket')
if held[1] ~= ARGV[1] or held[2] == '1' then return 0 end
redis.call('DEL', KEYS[1])
for _, key in ipairs({KEYS[2], KEYS[3]}) do
  -- Seconds before the oldest one are no longer counted.
  if tonumber(redis.call('HGET', key, 'o') or '0') <= tonumber(held[3]) and redis.call('HEXISTS', key, held[3]) == 1 then
    redis.call('HINCRBY', key, 'n', -1)
    redis.call('HINCRBY', key, held[3], -1)
  end
end
return 1
