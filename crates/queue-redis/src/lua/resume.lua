#!lua flags=allow-oom
-- Hand-outs go on where they were stopped.
-- ARGV: layout version.
-- Answers whether the queue was paused.
open({ 'paused', 'saved' })
if not meta.paused then
  return 0
end
if redis.pcall('XGROUP', 'SETID', STREAM, GROUP, last_delivered()).err then
  miss_group()
end
call('HDEL', META, 'paused', 'saved')
-- Those who wait are not woken by that.
ring()
return 1
