#!lua flags=allow-oom
-- Before the first read of a connection: notices that the server was started again, or is another one. What stands in the
-- stream then is in doubt: half a script that was cut off by a kill may have come to life.
-- ARGV: version, the server's run id.
-- Answers the last stream id that is in doubt.
open({ 'run', 'doubt' })
if meta.run ~= ARGV[2] then
  meta.doubt = call('EXISTS', STREAM) == 1 and last_generated() or '0-0'
  call('HSET', META, 'run', ARGV[2], 'doubt', meta.doubt)
end
return meta.doubt
