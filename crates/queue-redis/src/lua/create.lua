#!lua
-- Makes the queue, unless there is one.
-- ARGV: layout version, epoch, lease, capacity, window, key limit, dead retention, dead limit, done retention,
-- done limit; spans in microseconds; the server's run id.
-- Answers MADE, or EXISTS and changes nothing.
local found = redis.call('HGET', KEYS[1], 'v')
if found then
  if found ~= ARGV[1] then
    return redis.error_reply('LAYOUT ' .. found)
  end
  return 'EXISTS'
end
-- Without its meta hash nothing of these is a queue: what a lost one has left must not become part of a new one.
redis.call('UNLINK', unpack(KEYS))
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call(
  'HSET', KEYS[1], 'v', ARGV[1], 'epoch', ARGV[2], 'lease', ARGV[3], 'leases', now .. ':' .. ARGV[3],
  'capacity', ARGV[4], 'window', ARGV[5], 'keylimit', ARGV[6], 'deadfor', ARGV[7], 'deadlimit', ARGV[8],
  'donefor', ARGV[9], 'donelimit', ARGV[10], 'seq', 0, 'deadn', 0, 'donen', 0, 'dropped', 0,
  'run', ARGV[11], 'doubt', '0-0', 'next', 0, 'house', 0, 'scan', 0, 'cursor', '-', 'scanmin', 0
)
redis.call('XGROUP', 'CREATE', KEYS[2], 'forebay', '0', 'MKSTREAM')
redis.call('XGROUP', 'CREATE', KEYS[3], 'forebay', '0', 'MKSTREAM')
return 'MADE'
