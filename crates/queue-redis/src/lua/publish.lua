#!lua
-- Takes batches, each all or nothing.
-- ARGV: version, mode, for each batch two bytes (twice its count, and one more when its caller would wait), then the
-- messages. Mode 'p': all are plain (no key, no time), and each is an entry, complete but for its order and its time. Else
-- each is head and body. Mode 'b' or 'pb': others have waited longer, nothing fresh is taken.
-- A head is the id where it is plain; or the id and: flags (1 key, 2 fingerprint, 4 deliver, 8 expires), for deliver and
-- expires each how it is meant (1 at, 2 after) and the microseconds, the key's hash, the fingerprint.
-- Answers 'A' when all of plain messages were accepted; else for each batch: 'A' (all accepted), {'D', for each message
-- '' or the first one's id and whether the fingerprints agree}, {'F', limit}, {'K', limit}, {'T', size, limit} or
-- {'I', id}.
open({ 'capacity', 'next', 'house' })

-- The id that the queue knows already, or that stands twice among them.
local function id_in_use(ids)
  local seen = {}
  for first = 1, #ids, BUDGET do
    local places = call('HMGET', INDEX, unpack(ids, first, math.min(first + BUDGET - 1, #ids)))
    for i = 1, #places do
      local id = ids[first + i - 1]
      if places[i] or seen[id] then
        return id
      end
      seen[id] = true
    end
  end
  return nil
end

-- Takes everything as it is: making a string of each message would cost a third more.
local function take_plain(ids)
  local places = {}
  for i = 1, #ids do
    places[2 * i - 1] = ids[i]
    places[2 * i] = call('XADD', STREAM, '*', 'm', ARGV[i + 3])
  end
  in_parts(places, 'HSET', INDEX)
  return 'A'
end

if ARGV[2] == 'p' and now < number('next') and now < number('house') then
  local total = #ARGV - 3
  if total <= number('capacity') - call('XLEN', STREAM) - call('ZCARD', DUE) then
    local ids = {}
    for i = 4, #ARGV do
      ids[i - 3] = sub(ARGV[i], 7, 22)
    end
    if not id_in_use(ids) then
      return take_plain(ids)
    end
  end
end
-- lib.lua
open_for_tick('capacity', 'keylimit', 'seq')
local BATCHES = #ARGV[3] / 2

-- The count of a batch, and whether its caller would wait.
local function batch_at(place)
  local high, low = string.byte(ARGV[3], 2 * place - 1, 2 * place)
  return high * 128 + floor(low / 2), low % 2 == 1
end

local capacity, window = number('capacity'), number('window')
local is_behind = string.find(ARGV[2], 'b', 1, true) ~= nil
local is_settled = false
local live

local PLAIN = '\1\0\0\0\0\0'
local NO_TIMES_NO_ERRORS = string.rep('\0', 28)
-- What stands before the body of an entry without keys and errors.
local HEAD_BYTES = 66

local heads, bodies = {}, {}
if string.find(ARGV[2], 'p', 1, true) then
  for i = 4, #ARGV do
    heads[i - 3], bodies[i - 3] = sub(ARGV[i], 7, 22), sub(ARGV[i], HEAD_BYTES + 1)
  end
else
  for i = 4, #ARGV, 2 do
    heads[i / 2 - 1], bodies[i / 2 - 1] = ARGV[i], ARGV[i + 1]
  end
end

local function count_live()
  live = call('XLEN', STREAM) + call('ZCARD', DUE)
end

local function moment(head, at)
  local mode, span = unpack_struct('>BI8', head, at)
  return math.min(mode == 2 and now + span or span, NEVER)
end

-- A head that has more than an id.
local function read(head)
  local e = { id = sub(head, 1, 16), flags = 0, attempt = 0, published = now, deliver = 0, expires = 0, redriven = 0,
    errors = '' }
  local flags, at = string.byte(head, 17), 18
  if flags % 8 >= 4 then
    e.deliver, at = moment(head, at), at + 9
  end
  if flags >= 8 then
    e.expires, at = math.max(moment(head, at), 1), at + 9
  end
  if flags % 2 == 1 then
    e.hash, at, e.flags = sub(head, at, at + 15), at + 16, 1
  end
  if flags % 4 >= 2 then
    e.fingerprint, e.flags = sub(head, at, at + 31), e.flags + 2
  end
  return e
end

-- What is to become of a batch whose first message is at `at`.
local function plan(at, count)
  local planned = { at = at, count = count, fresh = count, keyed = 0 }
  local firsts = {}
  for i = 1, count do
    local head = heads[at + i - 1]
    if #head > 16 then
      planned.entries = planned.entries or {}
      local e = read(head)
      planned.entries[i] = e
      if e.hash then
        local id, fingerprint = known(e.hash)
        local first = firsts[e.hash]
        if not id and first then
          id, fingerprint = first.id, first.fingerprint
        end
        if id then
          e.answer = id .. (fingerprint == e.fingerprint and '1' or '0')
          e.is_repeat = first ~= nil
          planned.fresh = planned.fresh - 1
          planned.answers = true
        elseif window > 0 then
          firsts[e.hash] = e
          planned.keyed = planned.keyed + 1
        end
        planned.repeats = planned.repeats or e.is_repeat
      end
    end
  end
  return planned
end

-- The ids of what is fresh in a batch.
local function fresh_ids(planned)
  local ids = {}
  for i = 1, planned.count do
    local e = planned.entries and planned.entries[i]
    if not e then
      ids[#ids + 1] = heads[planned.at + i - 1]
    elseif not e.answer then
      ids[#ids + 1] = e.id
    end
  end
  return ids
end

-- Why a batch cannot be taken now, or nil.
local function refusal(planned)
  if planned.fresh > capacity then
    return { 'T', planned.fresh, capacity }
  end
  local id = id_in_use(fresh_ids(planned))
  if id then
    return { 'I', id }
  end
  if is_behind and (planned.fresh > 0 or planned.repeats) then
    return { 'F', capacity }
  end
  if planned.fresh > capacity - live then
    return { 'F', capacity }
  end
  if planned.keyed > 0 and call('HLEN', HASHES) + planned.keyed > number('keylimit') then
    return { 'K', number('keylimit') }
  end
  return nil
end

-- Accepts one message that has more than an id; answers its place when it is ready.
local function accept(e, body, sequence)
  e.sequence = sequence
  local due = math.max(e.deliver, now)
  if e.hash and window > 0 then
    renew(e.hash, e.id, e.fingerprint, due + window)
  end
  e.bytes, e.body_at = body, 1
  put_back(e, due)
end

local function take(planned)
  local sequence = planned.fresh > 0 and take_numbers(planned.fresh) - 1 or 0
  local places = {}
  local answers = planned.answers and { 'D' } or 'A'
  for i = 1, planned.count do
    local at = planned.at + i - 1
    local e = planned.entries and planned.entries[i]
    if not e then
      sequence = sequence + 1
      local value = PLAIN .. heads[at] .. pack('>I8I8', sequence, now) .. NO_TIMES_NO_ERRORS .. bodies[at]
      places[#places + 1] = heads[at]
      places[#places + 1] = call('XADD', STREAM, '*', 'm', value)
    elseif not e.answer then
      sequence = sequence + 1
      accept(e, bodies[at], sequence)
    end
    if planned.answers then
      answers[i + 1] = e and e.answer or ''
    end
  end
  if #places > 0 then
    in_parts(places, 'HSET', INDEX)
  end
  live = live + planned.fresh
  return answers
end

local function answer(at, count, waits)
  local planned = plan(at, count)
  local refused = refusal(planned)
  if refused and refused[1] ~= 'T' and not is_settled then
    -- What has ended and is not dealt with yet still takes room.
    is_settled = true
    settle_time()
    count_live()
    planned = plan(at, count)
    refused = refusal(planned)
  end
  if not refused then
    return take(planned)
  end
  -- Who comes later and would wait does not go before who waits already.
  if waits and (refused[1] == 'F' or refused[1] == 'K') then
    is_behind = true
  end
  return refused
end

tick()
count_live()
local replies = {}
local at = 1
for i = 1, BATCHES do
  local count, waits = batch_at(i)
  replies[i] = answer(at, count, waits)
  at = at + count
end
return replies
