-- Begins the memory, if there is none. KEYS: memory. ARGV: now, whether nothing was ever accepted, process.
local process = ARGV[3]
if process == '' then process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') end
local memory = redis.call('HMGET', KEYS[1], 'started', 'first', 'process')
if not memory[1] then
  redis.call('HSET', KEYS[1], 'started', ARGV[1], 'first', ARGV[2], 'process', process, 'now', ARGV[1])
  return {ARGV[1], ARGV[2]}
end
return {memory[1], memory[2]}
