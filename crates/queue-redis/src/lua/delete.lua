#!lua flags=allow-oom
-- Removes the queue with everything in it. A day long a mark stays, by which its sessions know that it was deleted and
-- not lost.
-- ARGV: layout version.
open({})
for i = 1, #KEYS do
  call('UNLINK', KEYS[i])
end
call('SET', GONE, 1, 'EX', 86400)
return 1
