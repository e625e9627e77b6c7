#!lua flags=allow-oom
-- Stops hand-outs: with the group's place at the very end the server itself hands nothing out, not even to those who wait
-- already. Where it was is kept.
-- ARGV: layout version.
-- Answers whether the queue was not paused before.
open({ 'paused', 'saved' })
if meta.paused then
  return 0
end
local last = last_delivered()
call('XGROUP', 'SETID', STREAM, GROUP, '18446744073709551615-18446744073709551615')
call('HSET', META, 'paused', 1, 'saved', last)
return 1
