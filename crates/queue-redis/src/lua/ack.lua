#!lua flags=allow-oom
-- Ends deliveries.
-- ARGV: version; then for each consumer: epoch, name, count, least and greatest stream id; stream id and message id of
-- each of its deliveries.
-- Answers '1' or '0' for each delivery, in one string.
open({ 'epoch', 'lease', 'leases', 'donefor', 'donelimit' })
local may_expire = call('EXISTS', EXPIRY) == 1

-- Ends what is still held; `part` takes leave of the messages.
local function ack(part)
  local outcomes = {}
  local at = 2
  while ARGV[at] do
    local count, first = tonumber(ARGV[at + 2]), at + 5
    local alive = holds(at, 2)
    local places, ids, n = {}, {}, 0
    for i = first, first + 2 * (count - 1), 2 do
      local place = ARGV[i]
      if alive[place] then
        -- Twice in one call is once.
        alive[place] = nil
        n = n + 1
        places[n], ids[n] = place, ARGV[i + 1]
        outcomes[#outcomes + 1] = '1'
      else
        outcomes[#outcomes + 1] = '0'
      end
    end
    if n > 0 then
      part(places, ids)
      in_parts(places, 'XACK', STREAM, GROUP)
      in_parts(places, 'XDEL', STREAM)
      if may_expire then
        in_parts(ids, 'ZREM', EXPIRY)
      end
    end
    at = first + 2 * count
  end
  return table.concat(outcomes)
end

if number('donefor') == 0 then
  return ack(function(_, ids)
    in_parts(ids, 'HDEL', INDEX)
  end)
end
-- lib.lua
return ack(function(places, ids)
  for i = 1, #places do
    finish(ids[i], value_at(places[i]) or '', IS_DONE)
  end
end)
