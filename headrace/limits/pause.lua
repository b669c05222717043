-- Pauses a lane after the provider said that it is too much. Returns for how many microseconds.
--
-- KEYS[1] the lane's hash. ARGV what the provider asks for in seconds, or 0; the first pause; the longest.
-- Several requests may be refused at once: while the lane is paused, one more refusal does not double the pause.
local asked, first, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local state = redis.call('HMGET', KEYS[1], 'paused_until', 'refusals')
local paused_until, refusals = tonumber(state[1] or 0), tonumber(state[2] or 0)
if paused_until > now then
  paused_until = math.max(paused_until, now + asked)
else
  paused_until = now + (asked > 0 and asked or math.min(first * 2 ^ math.min(refusals, 20), longest))
  refusals = refusals + 1
end
redis.call('HSET', KEYS[1], 'paused_until', string.format('%.6f', paused_until), 'refusals', refusals)
return math.ceil((paused_until - now) * 1e6)
