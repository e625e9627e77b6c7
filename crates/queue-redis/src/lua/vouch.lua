#!lua flags=allow-oom
-- Takes entries that are in doubt out of the stream, unless they are messages of the queue.
-- ARGV: version, stream id and message id of each.
-- Answers '1' or '0' for each, in one string.
open({})
local flags = {}
for i = 2, #ARGV, 2 do
  local is_message = is_place(ARGV[i + 1], ARGV[i])
  flags[#flags + 1] = is_message and '1' or '0'
  if not is_message then
    strike(ARGV[i])
  end
end
return table.concat(flags)
