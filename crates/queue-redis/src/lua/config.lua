#!lua flags=no-writes
-- How the queue was made.
-- ARGV: layout version.
-- Answers epoch, lease, capacity, window, key limit, dead retention, dead limit, done retention, done limit; spans in
-- microseconds.
local fields = {
  'epoch', 'lease', 'capacity', 'window', 'keylimit', 'deadfor', 'deadlimit', 'donefor', 'donelimit',
}
open(fields)
local answer = {}
for i = 1, 9 do
  answer[i] = number(fields[i])
end
return answer
