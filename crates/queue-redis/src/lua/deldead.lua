#!lua flags=allow-oom
-- Deletes dead letters.
-- ARGV: layout version, then for each its id and the number of its death: one that has died again since is another.
-- Answers how many were deleted.
open({})
local deleted = 0
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local place = call('ZSCORE', DEADORDER, id)
  if place and tonumber(place) == tonumber(ARGV[i + 1]) then
    call('HDEL', DEAD, id)
    call('ZREM', DEADORDER, id)
    call('HDEL', INDEX, id)
    deleted = deleted + 1
  end
end
return deleted
