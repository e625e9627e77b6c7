#!lua flags=allow-oom
-- Before the first read of a connection: notices that the server was started again, or is another one. What stands in the
-- stream then is in doubt: half a script that was cut off by a kill may have come to life.
-- ARGV: version, the server's run id.
-- Answers the last stream id that is in doubt.
open({ 'run', 'doubt' })
if meta.run ~= ARGV[2] then
  meta.doubt = '0-0'
  if call('EXISTS', STREAM) == 1 then
    local line = call('XINFO', 'STREAM', STREAM)
    for i = 1, #line, 2 do
      if line[i] == 'last-generated-id' then
        meta.doubt = line[i + 1]
      end
    end
  end
  call('HSET', META, 'run', ARGV[2], 'doubt', meta.doubt)
end
return meta.doubt
