-- What every script of a queue begins with, behind the line that says how it is to be run. It is kept small: it runs with
-- each call. The rest is in `lib.lua`.
-- Times are microseconds since the epoch by the server's clock; every one below 2^53, so that a Lua number holds it.
local META, STREAM, BELL, INDEX = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local DUE, WAITING, ORDER, EXPIRY = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local HASHES, ENDS, DEAD, DEADORDER = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local DONE, DONEORDER, GONE, BAD = KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local GROUP = 'forebay'
-- How many things of each kind one call deals with.
local BUDGET = 256
-- The latest time, "never": beyond it a Lua number is no longer exact.
local NEVER = 9007199254740991
local call = redis.call
local pack, unpack_struct, sub, format, floor = struct.pack, struct.unpack, string.sub, string.format, math.floor
local function time()
  local parts = call('TIME')
  return parts[1] * 1000000 + parts[2]
end
local now = time()
local meta = {}

-- Reads fields of the meta hash into `meta`; the version always. Ends the script where the queue is not there.
local function open(fields)
  fields[#fields + 1] = 'v'
  local values = call('HMGET', META, unpack(fields))
  for i = 1, #fields do
    meta[fields[i]] = values[i]
  end
  if not meta.v then
    error({ err = call('EXISTS', GONE) == 1 and 'GONE' or 'LOST' })
  end
  if meta.v ~= ARGV[1] then
    error({ err = 'LAYOUT ' .. meta.v })
  end
end

-- A meta field as a number; `fallback` where it has never been set.
local function number(field, fallback)
  return tonumber(meta[field] or nil) or fallback or 0
end

-- Sets meta fields to whole numbers.
local function remember(...)
  local fields = { ... }
  for i = 1, #fields, 2 do
    fields[i + 1] = format('%.0f', fields[i + 1])
    meta[fields[i]] = fields[i + 1]
  end
  call('HSET', META, unpack(fields))
end

-- Calls a command on a key, and perhaps one argument more, with a long list behind: a part at a time.
local function in_parts(list, command, key, more)
  for first = 1, #list, BUDGET do
    local last = math.min(first + BUDGET - 1, #list)
    if more then
      call(command, key, more, unpack(list, first, last))
    else
      call(command, key, unpack(list, first, last))
    end
  end
end

local function is_after(one, other)
  if one == other then
    return false
  end
  local ms, seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  if ms ~= other_ms then
    return #ms > #other_ms or (#ms == #other_ms and ms > other_ms)
  end
  return #seq > #other_seq or (#seq == #other_seq and seq > other_seq)
end

-- Whether leases of several lengths may be running.
local function is_mixed()
  return meta.leases and string.find(meta.leases, ';', 1, true)
end

-- Deliveries in a range of ids: lists of id, consumer, idle ms and count; and when that was so, or a little later. A busy
-- machine may stop the server between two commands of a script: taken after the question, the time makes a lease seem to
-- end later than it does, never earlier.
local function pending(from, til, most, consumer)
  local page
  if consumer then
    page = call('XPENDING', STREAM, GROUP, from, til, most, consumer)
  else
    page = call('XPENDING', STREAM, GROUP, from, til, most)
  end
  return page, time()
end

-- Whoever shortens the lease has to lower `scan` and `next` to now + lease.
-- The end of the lease of a delivery that at `asked` had been idle for so many ms. Needs `lease`, `leases`. The server
-- notes whole milliseconds: the one that had begun counts as a whole one, so that no lease is shorter than was said.
local function lease_end(idle, asked)
  local since = floor((asked or now) / 1000) - idle
  local length = tonumber(meta.lease)
  if is_mixed() then
    local first = true
    for from, span in string.gmatch(meta.leases, '(%d+):(%d+)') do
      -- What was handed out in the millisecond of a change is given the longer lease.
      if first or tonumber(from) < since * 1000 then
        length = tonumber(span)
      elseif tonumber(from) < (since + 1) * 1000 then
        length = math.max(length, tonumber(span))
      end
      first = false
    end
  end
  return (since + 1) * 1000 + length
end

-- Which of the deliveries of one consumer are still its own: stream id -> true. What is asked for stands in ARGV from
-- `at` on: epoch, name, count, least and greatest stream id, then the deliveries, `width` arguments each with the
-- stream id first. Needs `epoch`, `lease`, `leases`.
local function holds(at, width)
  local alive = {}
  if ARGV[at] ~= meta.epoch then
    return alive
  end
  local consumer, count = ARGV[at + 1], tonumber(ARGV[at + 2])
  local most = 2 * count + 32
  -- One look at the range costs far less than one for each; what a crowd in between has cut off is asked for alone.
  local page, asked = pending(ARGV[at + 3], ARGV[at + 4], most, consumer)
  -- With one length for all leases, how long a delivery may have been idle.
  local limit = not is_mixed() and floor(asked / 1000) + 1 + (tonumber(meta.lease) - now) / 1000
  for i = 1, #page do
    local idle = page[i][3]
    if limit and idle < limit or not limit and lease_end(idle, asked) > now then
      alive[page[i][1]] = true
    end
  end
  if #page == most then
    local last, first = page[most][1], at + 5
    for i = first, first + (count - 1) * width, width do
      local place = ARGV[i]
      if is_after(place, last) then
        local one, then_asked = pending(place, place, 1, consumer)
        alive[place] = one[1] and lease_end(one[1][3], then_asked) > now or nil
      end
    end
  end
  return alive
end
