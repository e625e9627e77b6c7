#!lua flags=allow-oom
-- Makes the stream, the bell and their groups again where they are not there, and forgets, a part at a time, what was in
-- a stream that is no more.
-- ARGV: layout version, where to go on in the index, 0 at first, another epoch.
-- Answers where to go on, 0 at the end; how many messages are lost; whether anything was missing.
open({ 'paused', 'saved' })

local function has_group(stream)
  if call('EXISTS', stream) == 0 then
    return false
  end
  local groups = call('XINFO', 'GROUPS', stream)
  for i = 1, #groups do
    if groups[i][2] == GROUP then
      return true
    end
  end
  return false
end

local missing = 0
if not has_group(STREAM) then
  missing = 1
  -- From the beginning: what a group had handed out that is no more comes again.
  call('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM')
  -- Under the same stream ids, so what was handed out before must not settle it.
  call('HSET', META, 'epoch', ARGV[3])
  if meta.paused then
    call('XGROUP', 'SETID', STREAM, GROUP, '18446744073709551615-18446744073709551615')
    call('HSET', META, 'saved', '0-0')
  end
end
if not has_group(BELL) then
  missing = 1
  call('XGROUP', 'CREATE', BELL, GROUP, '0', 'MKSTREAM')
end
local page = call('HSCAN', INDEX, ARGV[2], 'COUNT', BUDGET)
local gone = {}
for i = 1, #page[2], 2 do
  local place = page[2][i + 1]
  if place ~= 's' and place ~= 'd' and place ~= 'o' and not value_at(place) then
    gone[#gone + 1] = page[2][i]
  end
end
in_parts(gone, 'HDEL', INDEX)
in_parts(gone, 'ZREM', EXPIRY)
return { page[1], #gone, missing }
