#!lua
-- Makes dead letters ready again, in the order in which they are named, until the queue is full.
-- ARGV: layout version, then for each its id and the number of its death: one that has died again since is another.
-- Answers lost, dropped, through; then how many are ready again, and whether it stopped for want of room.
open_for_tick('capacity', 'seq')
if not settle_time() then
  return { lost, dropped, 0 }
end
local room = number('capacity') - call('XLEN', STREAM) - call('ZCARD', DUE)
local redriven = 0
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local place = call('ZSCORE', DEADORDER, id)
  local record = place and tonumber(place) == tonumber(ARGV[i + 1]) and call('HGET', DEAD, id)
  local e = record and parse(sub(record, 10))
  if e then
    if redriven >= room then
      return { lost, dropped, 1, redriven, 1 }
    end
    e.attempt, e.redriven, e.sequence = 0, now, take_numbers(1)
    renew_entry(e)
    make_ready(id, build(e))
    call('HDEL', DEAD, id)
    call('ZREM', DEADORDER, id)
    redriven = redriven + 1
  end
end
return { lost, dropped, 1, redriven, 0 }
