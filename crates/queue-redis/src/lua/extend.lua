#!lua flags=allow-oom
-- Lets leases last from now. ARGV and answer as of `ack`, without the message ids.
open({ 'epoch', 'lease', 'leases' })
local outcomes = {}
local at = 2
while ARGV[at] do
  local count, first = tonumber(ARGV[at + 2]), at + 5
  local alive = holds(at, 1)
  local places = {}
  for i = first, first + count - 1 do
    if alive[ARGV[i]] then
      places[#places + 1] = ARGV[i]
      outcomes[#outcomes + 1] = '1'
    else
      outcomes[#outcomes + 1] = '0'
    end
  end
  for from = 1, #places, BUDGET do
    local arguments = { unpack(places, from, math.min(from + BUDGET - 1, #places)) }
    local n = #arguments
    arguments[n + 1], arguments[n + 2], arguments[n + 3] = 'IDLE', 0, 'JUSTID'
    call('XCLAIM', STREAM, GROUP, ARGV[at + 1], 0, unpack(arguments))
  end
  at = first + count
end
return table.concat(outcomes)
