-- Reserves an entry. KEYS: memory, entry, counts of all, counts of the app; they lie on one node.
-- ARGV: now, expires at, owner, app, signed time or '', credential's date, span, most in all, most of the app, skew, compares clocks, process,
-- how far ahead of the clock it may be signed.
-- Times are milliseconds. Answers {what, when the memory began, whether it is the first one}.
local now, expires, skew = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[10])

if ARGV[11] == '1' then
  local time = redis.call('TIME')
  if math.abs(time[1] * 1000 + math.floor(time[2] / 1000) - now) > skew then return {'clock', '0', '0'} end
end

-- A memory that is gone, or that another process has now, may have lost entries. In a cluster only the node itself knows which process it is.
local process = ARGV[12]
if process == '' then process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') end
local memory = redis.call('HMGET', KEYS[1], 'started', 'first', 'process', 'now')
if not memory[1] or memory[3] ~= process then
  memory = {ARGV[1], '0', process, ARGV[1]}
  redis.call('HSET', KEYS[1], 'started', ARGV[1], 'first', '0', 'process', process, 'now', ARGV[1])
end
local function told(what) return {what, memory[1], memory[2]} end

-- An entry lives for the skew longer than its request: a clock that stands further back could accept it again.
local latest = tonumber(memory[4])
if now < latest - skew then return told('stepped-back') end
if now > latest + 1000 then redis.call('HSET', KEYS[1], 'now', ARGV[1]) end

local started = tonumber(memory[1])
if memory[2] == '0' and tonumber(ARGV[6]) < started then
  -- Another gateway's clock, by which it may have been accepted, stands up to the skew away.
  if ARGV[5] == '' then
    if now < started + tonumber(ARGV[7]) + skew then return told('doubted') end
  elseif tonumber(ARGV[5]) < started + tonumber(ARGV[13]) + skew then
    return told('doubted')
  end
end

local held = redis.call('HMGET', KEYS[2], 'expires', 'committed')
if held[1] and tonumber(held[1]) >= now then
  return told(held[2] == '1' and 'committed' or 'seen')
end

-- Counts: n entries, by the second in which they expire; o is the oldest second that still counts.
local second = math.floor(now / 1000)
local function oldest(key)
  local counts = redis.call('HMGET', key, 'n', 'o')
  local n, o = tonumber(counts[1] or '0'), tonumber(counts[2] or second)
  if o < second then
    while o < second and n > 0 do
      n = n - tonumber(redis.call('HGET', key, o) or '0')
      redis.call('HDEL', key, o)
      o = o + 1
    end
    o = second
    redis.call('HSET', key, 'n', n, 'o', o)
  end
  return n, o
end
local all, all_oldest = oldest(KEYS[3])
local own, own_oldest = oldest(KEYS[4])
if all >= tonumber(ARGV[8]) or own >= tonumber(ARGV[9]) then return told('full') end

local life = expires - now + skew
local bucket = math.max(math.floor(expires / 1000), all_oldest, own_oldest)
for key, o in pairs({[KEYS[3]] = all_oldest, [KEYS[4]] = own_oldest}) do
  redis.call('HINCRBY', key, 'n', 1)
  redis.call('HINCRBY', key, bucket, 1)
  redis.call('HSET', key, 'o', o)
  if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'expires', ARGV[2], 'owner', ARGV[3], 'committed', '0', 'bucket', bucket)
redis.call('PEXPIRE', KEYS[2], life)
return told('reserved')
