#!lua flags=allow-oom
-- Puts back what a consumer was given and nobody was handed: what it holds beyond a stream id. Then the consumer goes,
-- unless it still holds something.
-- ARGV: version, consumer, greatest stream id that was handed out, whether to ring.
-- Answers how many were put back, and whether there may be more.
open_for_tick()
local page = call('XPENDING', STREAM, GROUP, '(' .. ARGV[3], '+', BUDGET, ARGV[2])
for i = 1, #page do
  local place = page[i][1]
  local bytes = value_at(place)
  local e = bytes and parse(bytes)
  if e then
    if is_place(e.id, place) then
      put_back(e, now)
    end
    strike(place)
  elseif bytes then
    spoil(place, bytes)
  else
    call('XACK', STREAM, GROUP, place)
  end
end
if #page < BUDGET and #call('XPENDING', STREAM, GROUP, '-', '+', 1, ARGV[2]) == 0 then
  call('XGROUP', 'DELCONSUMER', STREAM, GROUP, ARGV[2])
end
call('XGROUP', 'DELCONSUMER', BELL, GROUP, ARGV[2])
if ARGV[4] == '1' then
  ring()
end
return { #page, #page == BUDGET and 1 or 0 }
