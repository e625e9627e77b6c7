#!lua flags=allow-oom
-- Takes a message back that has not been handed out.
-- ARGV: layout version, id or nothing, hash of its idempotency key where there is no id.
-- Answers lost, dropped, through; then 0 cancelled, 1 not found, 2 already running, 3 already over.
open_for_tick()
if not settle_time() then
  return { lost, dropped, 0 }
end

local function cancel()
  local id = ARGV[2]
  if id == '' then
    id = known(ARGV[3])
    if not id then
      return 1
    end
  end
  local place = call('HGET', INDEX, id)
  if not place then
    -- A key that is known outlives its message.
    return ARGV[2] == '' and 3 or 1
  end
  if place == 'd' or place == 'o' then
    return 3
  end
  if place == 's' then
    finish(id, withdraw(id), IS_CANCELLED)
  elseif is_after(place, last_delivered()) then
    local bytes = value_at(place) or ''
    call('XDEL', STREAM, place)
    finish(id, bytes, IS_CANCELLED)
  else
    return 2
  end
  call('ZREM', EXPIRY, id)
  return 0
end

return { lost, dropped, 1, cancel() }
