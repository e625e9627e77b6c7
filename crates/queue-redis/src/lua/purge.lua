#!lua flags=allow-oom
-- Removes scheduled and ready messages, a part at a time: those that were accepted before the first part. The scheduled
-- ones go first, so that none of them comes due and slips past.
-- ARGV: layout version, the greatest number to be removed, the last place to be looked at, the place after which to go on;
-- nothing where the part before did not say.
-- Answers lost, dropped, through; then how many were removed, whether there is more, and the three arguments for that.
open_for_tick('seq')
if not settle_time() then
  return { lost, dropped, 0 }
end
local most, til, from = tonumber(ARGV[2]), ARGV[3], ARGV[4]
if not most then
  local newest = call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
  most = math.max(number('seq'), now, newest and number_at(newest[1]) or 0)
end

local function forget(ids)
  if #ids > 0 then
    call('HDEL', INDEX, unpack(ids))
    call('ZREM', EXPIRY, unpack(ids))
  end
end

if til == '' then
  local ids = call('ZRANGEBYSCORE', ORDER, '-inf', format('%.0f', most), 'LIMIT', 0, BUDGET)
  if #ids > 0 then
    call('HDEL', WAITING, unpack(ids))
    call('ZREM', DUE, unpack(ids))
    call('ZREM', ORDER, unpack(ids))
    forget(ids)
  end
  if #ids < BUDGET then
    local newest = call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
    til = newest and newest[1] or '0-0'
  end
  return { lost, dropped, 1, #ids, 1, format('%.0f', most), til, '' }
end

local last = last_delivered()
if from == '' or is_after(last, from) then
  from = last
end
if not is_after(til, from) then
  return { lost, dropped, 1, 0, 0, '', '', '' }
end
local entries = call('XRANGE', STREAM, '(' .. from, til, 'COUNT', BUDGET)
local ids, places = {}, {}
for i = 1, #entries do
  local e = parse(value_of(entries[i]))
  if e and e.sequence <= most then
    ids[#ids + 1] = e.id
    places[#places + 1] = entries[i][1]
  end
end
if #places > 0 then
  call('XDEL', STREAM, unpack(places))
end
forget(ids)
local more = #entries == BUDGET
return {
  lost, dropped, 1, #ids, more and 1 or 0, format('%.0f', most), til, more and entries[BUDGET][1] or '',
}
