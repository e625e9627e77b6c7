#!lua flags=allow-oom
-- Puts entries aside that cannot be read. ARGV: version, their stream ids.
open({})
for i = 2, #ARGV do
  local bytes = value_at(ARGV[i])
  if bytes then
    spoil(ARGV[i], bytes)
  end
end
return #ARGV - 1
