#!lua flags=allow-oom
-- The messages that would be received next.
-- ARGV: layout version, the place after which to go on or nothing, how many.
-- Answers lost, dropped, through; then for each its place and its entry.
open_for_tick()
if not settle_time() then
  return { lost, dropped, 0 }
end
local from = last_delivered()
if ARGV[2] ~= '' and is_after(ARGV[2], from) then
  from = ARGV[2]
end
local answer = { lost, dropped, 1 }
local entries = call('XRANGE', STREAM, '(' .. from, '+', 'COUNT', ARGV[3])
for i = 1, #entries do
  answer[#answer + 1] = entries[i][1]
  answer[#answer + 1] = value_of(entries[i])
end
return answer
