#!lua flags=allow-oom
-- Counts by state.
-- ARGV: layout version.
-- Answers lost, dropped, through; scheduled, ready, leased, done, dead, dropped ever, keys, capacity, paused, and how
-- long the first of the ready ones has been waiting, nothing where none is.
open_for_tick('capacity', 'dropped')
if not settle_time() then
  return { lost, dropped, 0 }
end
local leased = call('XPENDING', STREAM, GROUP)[1]
local first = call('XRANGE', STREAM, '(' .. last_delivered(), '+', 'COUNT', 1)[1]
local since = first and tonumber(string.match(first[1], '^%d+')) * 1000 or 0
return {
  lost, dropped, 1,
  call('ZCARD', DUE), call('XLEN', STREAM) - leased, leased, call('ZCARD', DONEORDER), call('ZCARD', DEADORDER),
  tonumber(call('HGET', META, 'dropped')), call('HLEN', HASHES), number('capacity'), meta.paused and 1 or 0,
  since > 0 and math.max(now - since, 0) or false,
}
