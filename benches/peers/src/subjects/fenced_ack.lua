-- KEYS[1]: the stream. ARGV: the group, the consumer, then ids in ascending order.
-- Acks and deletes what still belongs to this consumer as it was first delivered; answers how many those were.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[#ARGV], #ARGV - 2, ARGV[2])
local first = {}
for _, entry in ipairs(pending) do
    if entry[4] == 1 then
        first[entry[1]] = true
    end
end
local held = {}
for i = 3, #ARGV do
    if first[ARGV[i]] then
        held[#held + 1] = ARGV[i]
    end
end
if #held > 0 then
    -- At most as many as a read brings, which unpack can take.
    redis.call('XACK', KEYS[1], ARGV[1], unpack(held))
    redis.call('XDEL', KEYS[1], unpack(held))
end
return #held
