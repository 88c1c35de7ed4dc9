-- Counts a request, if it may pass. KEYS: the app's bucket, as the instant at which it will be full again. ARGV: microseconds between two
-- requests, and how far ahead a burst may go. By the server's clock, which is the same for every gateway.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
local next = math.max(full, now) + tonumber(ARGV[1])
if next > now + tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
return 1
