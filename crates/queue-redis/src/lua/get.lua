#!lua flags=allow-oom
-- Messages by id, wherever they are.
-- ARGV: layout version, ids.
-- Answers lost, dropped, through; then for each id nothing, or a letter, a time and the bytes: s, due, entry; r, 0, entry;
-- l, end of the lease, entry; e, 0, ended record.
open_for_tick()
if not settle_time() then
  return { lost, dropped, 0 }
end
local last = last_delivered()

-- The end of a lease, the same each time it is looked at: the server tells how long ago it began, by a clock that goes on
-- while the script runs.
local function lease_of(place)
  local held, before, after
  for _ = 1, 8 do
    before = call('TIME')
    held = call('XPENDING', STREAM, GROUP, place, place, 1)[1]
    after = call('TIME')
    if before[1] == after[1] and floor(before[2] / 1000) == floor(after[2] / 1000) then
      break
    end
  end
  if not held then
    return nil
  end
  local ms = after[1] * 1000 + floor(after[2] / 1000)
  return lease_end(held[3] - (ms - floor(now / 1000)))
end

local function look(id)
  local place = call('HGET', INDEX, id)
  if not place then
    return false
  end
  if place == 's' then
    return { 's', tonumber(call('ZSCORE', DUE, id) or 0), call('HGET', WAITING, id) }
  end
  if place == 'd' or place == 'o' then
    return { 'e', 0, call('HGET', place == 'd' and DEAD or DONE, id) }
  end
  local bytes = value_at(place)
  if not bytes then
    return false
  end
  if is_after(place, last) then
    return { 'r', 0, bytes }
  end
  local til = lease_of(place)
  return til and { 'l', til, bytes } or false
end

local answer = { lost, dropped, 1 }
for i = 2, #ARGV do
  answer[i + 2] = look(ARGV[i])
end
return answer
