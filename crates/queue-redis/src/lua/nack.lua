#!lua flags=allow-oom
-- Gives messages back, each in its own way.
-- ARGV: version; then for each consumer: epoch, name, count, least and greatest stream id; for each of its deliveries
-- stream id, action ('t' retry, 'l' release, 'd' dead letter), microseconds to wait, cause or ''.
-- Answers '1' or '0' for each delivery in one string, and how many dead letters had to go.
open_for_tick()
tick()

local function give_back(place, bytes, action, after, cause)
  local e = parse(bytes)
  if not e then
    spoil(place, bytes)
    return
  end
  if not is_place(e.id, place) then
    return
  end
  if e.expires > 0 and e.expires <= now then
    call('ZREM', EXPIRY, e.id)
    -- Its last delivery counts.
    e.attempt = e.attempt + 1
    finish(e.id, build(e), IS_EXPIRED)
    return
  end
  if action == 'l' then
    put_back(e, now + after)
    return
  end
  e.attempt = e.attempt + 1
  if cause ~= '' then
    failed(e, e.attempt, now, sub(cause, 2))
  end
  renew_entry(e)
  if action == 't' then
    put_back(e, now + after)
  else
    call('ZREM', EXPIRY, e.id)
    bury(e.id, build(e))
  end
end

local outcomes = {}
local at = 2
while ARGV[at] do
  local count, first = tonumber(ARGV[at + 2]), at + 5
  local alive = holds(at, 4)
  for i = first, first + 4 * (count - 1), 4 do
    local place = ARGV[i]
    local bytes = alive[place] and value_at(place)
    if bytes then
      alive[place] = nil
      give_back(place, bytes, ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3])
      strike(place)
      outcomes[#outcomes + 1] = '1'
    else
      outcomes[#outcomes + 1] = '0'
    end
  end
  at = first + 4 * count
end
return { table.concat(outcomes), dropped }
