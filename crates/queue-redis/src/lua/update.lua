#!lua flags=allow-oom
-- Another configuration from now on. Leases that run keep their end; of dead and ended messages over a smaller limit the
-- oldest go.
-- ARGV: layout version, lease, capacity, window, key limit, dead retention, dead limit, done retention, done limit; spans
-- in microseconds.
-- Answers how many dead letters were dropped.
open({ 'lease', 'leases', 'scan', 'next' })
if tonumber(ARGV[2]) ~= number('lease') then
  local history, longest = {}, tonumber(ARGV[2])
  for from, span in string.gmatch(meta.leases or '', '(%d+):(%d+)') do
    history[#history + 1] = { tonumber(from), span }
    longest = math.max(longest, tonumber(span))
  end
  history[#history + 1] = { now, ARGV[2] }
  local kept = {}
  for i = 1, #history do
    local til = history[i + 1] and history[i + 1][1] or now
    -- A length that was replaced longer ago than any lease lasts is nobody's any more.
    if til + longest >= now then
      kept[#kept + 1] = format('%.0f:', history[i][1]) .. history[i][2]
    end
  end
  call('HSET', META, 'leases', table.concat(kept, ';'))
  local soonest = now + tonumber(ARGV[2])
  remember('scan', math.min(number('scan'), soonest), 'next', math.min(number('next'), soonest))
end
call(
  'HSET', META, 'lease', ARGV[2], 'capacity', ARGV[3], 'window', ARGV[4], 'keylimit', ARGV[5],
  'deadfor', ARGV[6], 'deadlimit', ARGV[7], 'donefor', ARGV[8], 'donelimit', ARGV[9], 'house', 0
)
local over = shrink(DEAD, DEADORDER, tonumber(ARGV[7]))
if over > 0 then
  call('HINCRBY', META, 'dropped', over)
end
shrink(DONE, DONEORDER, tonumber(ARGV[9]))
return over
