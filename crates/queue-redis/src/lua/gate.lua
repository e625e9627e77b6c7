#!lua flags=allow-oom
-- Before every read: lets time pass.
-- ARGV: version, ids of bells that were heard.
-- Answers: now, the lease, when to come again, entries that were lost, dead letters that had to go, epoch. Times are
-- microseconds.
open({ 'next', 'house', 'lease', 'epoch' })
if #ARGV > 1 then
  call('XACK', BELL, GROUP, unpack(ARGV, 2))
end
if now < number('next') and now < number('house') then
  return { now, number('lease'), number('next'), 0, 0, number('epoch') }
end
-- lib.lua
open_for_tick()
tick()
return { now, number('lease'), number('next'), lost, dropped, number('epoch') }
