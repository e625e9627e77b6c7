#!lua flags=allow-oom
-- A part of a listing: which messages, and their place in it. What they say is asked for afterwards, by id.
-- Messages that were accepted together may share a number; then their ids tell the order.
-- ARGV: layout version, what, where to go on, least and greatest number, how many to look at.
-- What: s (scheduled), d (dead), 1, 2, 3 (done, cancelled, expired): in order of their numbers, all after `where`. r
-- (ready), l (leased): as they come in the stream, those whose numbers are neither less nor greater.
-- Answers lost, dropped, through; where to go on or nothing at the end; then for each its id and its number.
open_for_tick()
if not settle_time() then
  return { lost, dropped, 0 }
end
local what, from, most = ARGV[2], ARGV[3], tonumber(ARGV[6])
local answer = { lost, dropped, 1, '' }

local function add(id, place)
  answer[#answer + 1] = id
  answer[#answer + 1] = place
end

-- A set is in the order of its scores; those of one score go by their ids, and are not torn apart.
local function list_set(order, takes)
  local found = call('ZRANGEBYSCORE', order, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  local is_over = #found < 2 * most
  if not is_over then
    local last = found[#found]
    answer[4] = last
    while found[#found] == last do
      found[#found] = nil
      found[#found] = nil
    end
    local alike = call('ZRANGEBYSCORE', order, last, last, 'WITHSCORES')
    for i = 1, #alike do
      found[#found + 1] = alike[i]
    end
  end
  for i = 1, #found, 2 do
    if takes(found[i]) then
      add(found[i], found[i + 1])
    end
  end
end

local function consider(bytes)
  local e = bytes and parse(bytes)
  if e and e.sequence >= tonumber(ARGV[4]) and e.sequence <= tonumber(ARGV[5]) then
    add(e.id, e.sequence)
  end
end

local function any()
  return true
end

if what == 's' then
  list_set(ORDER, any)
elseif what == 'd' then
  list_set(DEADORDER, any)
elseif what == 'r' then
  local last = last_delivered()
  if not is_after(from, last) then
    from = last
  end
  local entries = call('XRANGE', STREAM, '(' .. from, '+', 'COUNT', most)
  for i = 1, #entries do
    consider(value_of(entries[i]))
  end
  answer[4] = #entries == most and entries[most][1] or ''
elseif what == 'l' then
  local held = call('XPENDING', STREAM, GROUP, '(' .. from, '+', most)
  for i = 1, #held do
    consider(value_at(held[i][1]))
  end
  answer[4] = #held == most and held[most][1] or ''
else
  list_set(DONEORDER, function(id)
    local record = call('HGET', DONE, id)
    return record and string.byte(record) == tonumber(what)
  end)
end
return answer
