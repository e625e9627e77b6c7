#!lua flags=allow-oom
-- Dead letters, in order of death.
-- ARGV: layout version, after which number, up to which or nothing, how many; then, where only those are meant, ids.
-- Answers lost, dropped, through; the time, the number of the latest death; then for each its id, its number, its record.
open_for_tick('deadn')
if not settle_time() then
  return { lost, dropped, 0 }
end
local answer = { lost, dropped, 1, now, tonumber(call('HGET', META, 'deadn')) }

local function add(id, place)
  local record = call('HGET', DEAD, id)
  if record then
    answer[#answer + 1] = id
    answer[#answer + 1] = place
    answer[#answer + 1] = record
  end
end

if #ARGV > 4 then
  for i = 5, #ARGV do
    local place = call('ZSCORE', DEADORDER, ARGV[i])
    if place then
      add(ARGV[i], place)
    end
  end
  return answer
end
local til = ARGV[3] == '' and '+inf' or ARGV[3]
local found = call('ZRANGEBYSCORE', DEADORDER, '(' .. ARGV[2], til, 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #found, 2 do
  add(found[i], found[i + 1])
end
return answer
