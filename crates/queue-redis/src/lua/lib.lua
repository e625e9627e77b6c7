-- What most scripts of a queue share. It stands behind `base.lua`.
local MOST_ERRORS = 32
-- What an ended message has become.
local IS_DONE, IS_CANCELLED, IS_EXPIRED, IS_DEAD = 1, 2, 3, 4
-- Entries that the group had and the stream had no more; dead letters that had to go.
local lost, dropped = 0, 0

-- Wakes one waiting reader.
local function ring()
  call('XADD', BELL, 'MAXLEN', 16, '*', 'b', 1)
end

-- Something will have to be done at `at`; whoever watches the time learns it if `rings`. Needs `next`.
local function expect(at, rings)
  if at < number('next') then
    remember('next', at)
    if rings then
      ring()
    end
  end
end

-- Stream ids -------------------------------------------------------------------------------------------------------

-- Ends the script: the queue has to be mended first.
local function miss_group()
  error({ err = 'NOGROUP' })
end

-- The id of the last entry that was handed out: what comes after it is ready. Needs `paused`, `saved`.
local function last_delivered()
  if meta.paused and meta.saved then
    return meta.saved
  end
  local groups = redis.pcall('XINFO', 'GROUPS', STREAM)
  if groups.err then
    miss_group()
  end
  for i = 1, #groups do
    local group = groups[i]
    if group[2] == GROUP then
      for j = 1, #group, 2 do
        if group[j] == 'last-delivered-id' then
          return group[j + 1]
        end
      end
    end
  end
  miss_group()
end

-- Entries ----------------------------------------------------------------------------------------------------------

-- An entry as a table, or nil when it is none of version 1.
local function parse(bytes)
  if #bytes < 65 or string.byte(bytes) ~= 1 then
    return nil
  end
  local e = { bytes = bytes }
  local version
  version, e.flags, e.attempt, e.id, e.sequence, e.published, e.deliver, e.expires, e.redriven =
    unpack_struct('>BBI4c16I8I8I8I8I8', bytes)
  local at = 63
  if e.flags % 2 == 1 then
    e.hash = sub(bytes, at, at + 15)
    at = at + 16
  end
  if e.flags >= 2 then
    e.fingerprint = sub(bytes, at, at + 31)
    at = at + 32
  end
  if #bytes < at + 3 then
    return nil
  end
  -- A redrive lifts the end of its life, but what was published stays to be seen.
  e.as_published = e.expires
  if e.redriven > 0 then
    e.expires = 0
  end
  local length = unpack_struct('>I4', bytes, at)
  e.errors = sub(bytes, at + 4, at + 3 + length)
  e.body_at = at + 4 + length
  return e
end

-- The bytes of an entry of which the numbers or the errors have changed.
local function build(e)
  return pack('>BBI4', 1, e.flags, e.attempt) .. e.id
    .. pack('>I8I8I8I8I8', e.sequence, e.published, e.deliver, e.as_published or e.expires, e.redriven)
    .. (e.hash or '') .. (e.fingerprint or '') .. pack('>I4', #e.errors) .. e.errors .. sub(e.bytes, e.body_at)
end

-- Adds to the history; the oldest record goes when there are too many.
local function failed(e, attempt, at, text)
  local count, place, second = 0, 1, nil
  while place < #e.errors do
    place = place + 14 + unpack_struct('>I2', e.errors, place + 12)
    count = count + 1
    second = second or place
  end
  if count >= MOST_ERRORS then
    e.errors = sub(e.errors, second)
  end
  e.errors = e.errors .. pack('>I4I8I2', attempt, at, #text) .. text
end

-- Messages are numbered in the order of acceptance, by microseconds. What was published plain has its number and its
-- time from its place in the stream: the server writes such an entry as its sender made it.
local UNNUMBERED = string.rep('\0', 16)

local function number_at(place)
  local ms, n = string.match(place, '^(%d+)-(%d+)$')
  return ms * 1000 + math.min(tonumber(n), 999), ms * 1000
end

-- Takes so many numbers; answers the first. Needs `seq`.
local function take_numbers(count)
  local first = math.max(number('seq') + 1, now)
  remember('seq', first + count - 1)
  return first
end

-- The bytes of a stream entry as the stream shows it.
local function value_of(entry)
  local bytes = entry[2][2] or ''
  if sub(bytes, 23, 38) == UNNUMBERED then
    return sub(bytes, 1, 22) .. pack('>I8I8', number_at(entry[1])) .. sub(bytes, 39)
  end
  return bytes
end

-- The value of a stream entry; nil when the stream has it no more.
local function value_at(place)
  local found = call('XRANGE', STREAM, place, place)
  return found[1] and value_of(found[1]) or nil
end

-- Takes an entry out of the stream and out of the hands of whoever holds it.
local function strike(place)
  call('XACK', STREAM, GROUP, place)
  call('XDEL', STREAM, place)
end

-- Whether a stream entry is its message's place. A server that was killed in the middle of a write can bring half a
-- script to life at a later start; so whatever moves a message writes the new place before it leaves the old one, and
-- what the index does not name is no message.
local function is_place(id, place)
  return call('HGET', INDEX, id) == place
end

-- Puts the raw bytes of what cannot be read aside.
local function spoil(place, bytes)
  call('HSET', BAD, place, bytes)
  strike(place)
end

-- Idempotency keys ---------------------------------------------------------------------------------------------------

-- What a key stands for while its window lasts: id, fingerprint or nil.
local function known(hash)
  local record = call('HGET', HASHES, hash)
  if not record then
    return nil
  end
  local id, til, flag = unpack_struct('>c16I8B', record)
  if til <= now then
    return nil
  end
  return id, flag == 1 and sub(record, 26) or nil
end

-- The window of a key begins anew. A key that stands for a later message is left to that one.
local function renew(hash, id, fingerprint, til)
  til = math.min(til, NEVER)
  if til <= now then
    return
  end
  local record = call('HGET', HASHES, hash)
  if record then
    local other, last = unpack_struct('>c16I8', record)
    if other == id then
      til = math.max(til, last)
      fingerprint = #record > 25 and sub(record, 26) or nil
    elseif last > now then
      return
    end
  end
  call('HSET', HASHES, hash, id .. pack('>I8B', til, fingerprint and 1 or 0) .. (fingerprint or ''))
  call('ZADD', ENDS, format('%.0f', til), hash)
end

-- As `renew`, for an entry, from now. Needs `window`.
local function renew_entry(e)
  if e.hash then
    renew(e.hash, e.id, e.fingerprint, now + number('window'))
  end
end

-- Ended messages -----------------------------------------------------------------------------------------------------

-- Lets the oldest ended messages go that are over `limit`; answers how many.
local function shrink(records, order, limit)
  local over = call('ZCARD', order) - limit
  local gone = 0
  while gone < over do
    local ids = call('ZRANGE', order, 0, math.min(over - gone, BUDGET) - 1)
    call('HDEL', records, unpack(ids))
    call('HDEL', INDEX, unpack(ids))
    call('ZREM', order, unpack(ids))
    gone = gone + #ids
  end
  return gone
end

-- A message that is in no place any more has ended; it is kept if the queue keeps such messages. Needs `donefor`,
-- `donelimit`.
local function finish(id, bytes, state)
  if number('donefor') == 0 then
    call('HDEL', INDEX, id)
    return
  end
  local place = call('HINCRBY', META, 'donen', 1)
  call('HSET', DONE, id, pack('>BI8', state, now) .. bytes)
  call('ZADD', DONEORDER, place, id)
  call('HSET', INDEX, id, 'o')
  shrink(DONE, DONEORDER, number('donelimit'))
end

-- A message that is in no place any more becomes a dead letter. Needs `deadlimit`.
local function bury(id, bytes)
  local place = call('HINCRBY', META, 'deadn', 1)
  call('HSET', DEAD, id, pack('>BI8', IS_DEAD, now) .. bytes)
  call('ZADD', DEADORDER, place, id)
  call('HSET', INDEX, id, 'd')
  local gone = shrink(DEAD, DEADORDER, number('deadlimit'))
  if gone > 0 then
    dropped = dropped + gone
    call('HINCRBY', META, 'dropped', gone)
  end
end

-- Places -------------------------------------------------------------------------------------------------------------

-- What came due this long ago was noticed late: nobody was there who watches the time.
local LATE = 100000

-- The last id that the stream has given.
local function last_generated()
  local line = call('XINFO', 'STREAM', STREAM)
  for i = 1, #line, 2 do
    if line[i] == 'last-generated-id' then
      return line[i + 1]
    end
  end
end

-- Makes a message ready, at the end of the line; answers its place. A place says since when: of what was noticed late
-- that is the time it was due, as far as the line allows.
local function make_ready(id, bytes, since)
  local place = '*'
  if since and since < now - LATE then
    local ms = floor(since / 1000)
    if ms >= tonumber(string.match(last_generated(), '^%d+')) then
      place = format('%.0f-*', ms)
    end
  end
  place = call('XADD', STREAM, place, 'm', bytes)
  call('HSET', INDEX, id, place)
  return place
end

-- Has a message wait until `due`. Needs `next`.
local function schedule(id, sequence, bytes, due)
  due = math.min(due, NEVER)
  call('HSET', WAITING, id, bytes)
  call('ZADD', DUE, format('%.0f', due), id)
  call('ZADD', ORDER, format('%.0f', sequence), id)
  call('HSET', INDEX, id, 's')
  expect(due, true)
end

-- A message that is in no place any more becomes scheduled, or ready where `due` has come; expired, it leaves.
local function put_back(e, due)
  local bytes = build(e)
  if e.expires > 0 then
    if e.expires <= now then
      call('ZREM', EXPIRY, e.id)
      finish(e.id, bytes, IS_EXPIRED)
      return
    end
    call('ZADD', EXPIRY, format('%.0f', e.expires), e.id)
    expect(e.expires, false)
  end
  if due > now then
    schedule(e.id, e.sequence, bytes, due)
  else
    make_ready(e.id, bytes, due)
  end
end

-- Takes a scheduled message out of its place; answers its bytes.
local function withdraw(id)
  local bytes = call('HGET', WAITING, id)
  call('HDEL', WAITING, id)
  call('ZREM', DUE, id)
  call('ZREM', ORDER, id)
  return bytes or ''
end

-- Time ---------------------------------------------------------------------------------------------------------------

-- What has expired leaves: from the scheduled and the ready ones. A running one finishes.
local function expire_messages()
  local ids = call('ZRANGEBYSCORE', EXPIRY, '-inf', format('%.0f', now), 'LIMIT', 0, BUDGET)
  if #ids == 0 then
    return true
  end
  local last
  for i = 1, #ids do
    local id = ids[i]
    local place = call('HGET', INDEX, id)
    if place == 's' then
      finish(id, withdraw(id), IS_EXPIRED)
    elseif place and place ~= 'd' and place ~= 'o' then
      last = last or last_delivered()
      if is_after(place, last) then
        local bytes = number('donefor') > 0 and value_at(place) or ''
        call('XDEL', STREAM, place)
        finish(id, bytes, IS_EXPIRED)
      end
    end
  end
  call('ZREM', EXPIRY, unpack(ids))
  return #ids < BUDGET
end

-- What is due becomes ready, in the order of its times.
local function promote()
  local found = call('ZRANGEBYSCORE', DUE, '-inf', format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, BUDGET)
  local ids = {}
  for i = 1, #found / 2 do
    ids[i] = found[2 * i - 1]
    local bytes = call('HGET', WAITING, ids[i])
    if bytes then
      make_ready(ids[i], bytes, tonumber(found[2 * i]))
    else
      call('HDEL', INDEX, ids[i])
      lost = lost + 1
    end
  end
  if #ids > 0 then
    call('HDEL', WAITING, unpack(ids))
    call('ZREM', DUE, unpack(ids))
    call('ZREM', ORDER, unpack(ids))
  end
  return #ids < BUDGET
end

-- A lease has run out: the message is ready again, one attempt older.
local function end_lease(place, til)
  local bytes = value_at(place)
  if not bytes then
    call('XACK', STREAM, GROUP, place)
    lost = lost + 1
    return
  end
  local e = parse(bytes)
  if not e then
    spoil(place, bytes)
    return
  end
  if is_place(e.id, place) then
    e.attempt = e.attempt + 1
    failed(e, e.attempt, til, 'the lease ran out')
    put_back(e, til)
  end
  strike(place)
end

-- Looks at the leases, a page at a time. What is handed out after a sweep has begun ends its lease later than the
-- next one begins, so every end is met.
local function sweep_leases()
  if now < number('scan') then
    return true
  end
  local cursor = meta.cursor or '-'
  local began, least, pages = number('began'), number('scanmin'), number('pages')
  if cursor == '-' then
    began, least, pages = now, NEVER, 0
  end
  local page, asked = pending(cursor, '+', BUDGET)
  for i = 1, #page do
    local til = lease_end(page[i][3], asked)
    if til <= now then
      end_lease(page[i][1], til)
    elseif til < least then
      least = til
    end
  end
  pages = pages + 1
  if #page == BUDGET then
    call('HSET', META, 'cursor', '(' .. page[BUDGET][1])
    meta.cursor = '(' .. page[BUDGET][1]
    remember('began', began, 'scanmin', least, 'pages', pages)
    return false
  end
  if cursor ~= '-' then
    call('HSET', META, 'cursor', '-')
    meta.cursor = '-'
  end
  -- Of very many, those that end close together are met together.
  local soonest = now + (pages > 1 and math.min(pages * 1000, 40000) or 0)
  remember('scan', math.max(soonest, math.min(least, began + number('lease'))))
  return true
end

-- Forgets ended messages whose retention has ended. Answers whether it got through, and when the next one ends.
local function forget_ended(records, order, retention)
  for _ = 1, BUDGET do
    local id = call('ZRANGE', order, 0, 0)[1]
    if not id then
      return true, NEVER
    end
    local record = call('HGET', records, id)
    local til = record and unpack_struct('>I8', record, 2) + retention or 0
    if til > now then
      return true, til
    end
    call('HDEL', records, id)
    call('ZREM', order, id)
    call('HDEL', INDEX, id)
  end
  return false, now
end

-- Forgets idempotency keys whose window has ended.
local function forget_keys()
  local hashes = call('ZRANGEBYSCORE', ENDS, '-inf', format('%.0f', now), 'LIMIT', 0, BUDGET)
  if #hashes > 0 then
    call('HDEL', HASHES, unpack(hashes))
    call('ZREM', ENDS, unpack(hashes))
  end
  return #hashes < BUDGET
end

local function first_score(key)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2]) or NEVER
end

-- Readers that were killed leave their names behind. One that holds nothing and has not been heard of for an hour goes;
-- should it read again, the server makes it anew.
local function forget_consumers()
  if now < number('consumers') then
    return
  end
  local consumers = redis.pcall('XINFO', 'CONSUMERS', STREAM, GROUP)
  for i = 1, consumers.err and 0 or math.min(#consumers, 4 * BUDGET) do
    local c = {}
    for j = 1, #consumers[i], 2 do
      c[consumers[i][j]] = consumers[i][j + 1]
    end
    if c.pending == 0 and c.idle > 3600000 then
      call('XGROUP', 'DELCONSUMER', STREAM, GROUP, c.name)
      redis.pcall('XGROUP', 'DELCONSUMER', BELL, GROUP, c.name)
    end
  end
  remember('consumers', now + 600000000)
end

-- What need not be exact to the millisecond.
local function keep_house()
  forget_consumers()
  local keys = forget_keys()
  local dead, dead_next = forget_ended(DEAD, DEADORDER, number('deadfor'))
  local done, done_next = forget_ended(DONE, DONEORDER, number('donefor'))
  local through = keys and dead and done
  local soonest = math.min(first_score(ENDS), dead_next, done_next)
  remember('house', through and math.min(math.max(soonest, now + 1000000), now + 10000000) or now)
  return through
end

-- What every script reads that lets time pass.
local function open_for_tick(...)
  open({ 'epoch', 'lease', 'leases', 'window', 'deadfor', 'deadlimit', 'donefor', 'donelimit', 'paused', 'saved',
    'next', 'house', 'scan', 'cursor', 'scanmin', 'began', 'pages', 'consumers', ... })
end

-- Lets time pass: answers whether all that was due is dealt with. `exactly` leaves nothing for later that could wait.
local function tick(exactly)
  local through = true
  if exactly or now >= number('house') then
    through = keep_house()
  end
  if now < number('next') then
    return through
  end
  through = expire_messages() and through
  through = promote() and through
  through = sweep_leases() and through
  local soonest = math.min(first_score(DUE), first_score(EXPIRY), number('scan'))
  remember('next', through and soonest or now)
  return through
end

-- As `tick`, until all of it is dealt with: for answers that have to be exact. Does at most so many rounds, and
-- answers whether that was enough.
local function settle_time(rounds)
  for _ = 1, rounds or 16 do
    if tick(true) then
      return true
    end
  end
  return false
end
