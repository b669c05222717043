-- Takes a place for a request of so many pages, or says how long there is none. One lane, atomically, by the
-- server's clock. Returns {taken (1 or 0), microseconds to wait, since when the lane is known}.
--
-- KEYS[1] a hash: tokens of pages and of requests, as of when they are counted (filled), when this was called last
--         (at), until when the lane is paused, the sum of the pages in KEYS[2], and since when all this is known.
-- KEYS[2] a sorted set: what was taken, by the time of its place; its pages stand before the colon.
-- ARGV    pages; pages a window, refilled a second, at most; requests refilled a second, at most; the window in
--         seconds; how long the caller would wait. A limit of 0 is none.
local pages, window_pages, refill, capacity = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local requests_refill, requests_capacity = tonumber(ARGV[5]), tonumber(ARGV[6])
local window, most_wait = tonumber(ARGV[7]), tonumber(ARGV[8])

local function pages_of(name)
  return tonumber(string.match(name, '^%d+'))
end

local function sum(names)
  local found = 0
  for _, name in ipairs(names) do found = found + pages_of(name) end
  return found
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local state = redis.call('HMGET', KEYS[1], 'pages', 'requests', 'at', 'paused_until', 'total', 'filled', 'since')
-- Whoever knows of no lane knows not what was sent a moment ago: its bucket begins empty.
local tokens, requests = tonumber(state[1] or 0), tonumber(state[2] or 0)
local passed, paused_until = now - tonumber(state[3] or now), tonumber(state[4] or 0)
local filled = tonumber(state[6] or now)
-- The pages in KEYS[2]: to add them up each time would take longer, the higher the rate is.
local total = state[5] and tonumber(state[5])
local since = state[7] or string.format('%.6f', now)

if passed < -1 then
  -- The server's clock was set back: what was noted would last for longer by that. The bucket begins empty.
  tokens, requests, total, filled = math.min(tokens, 0), math.min(requests, 0), 0, now
  since = string.format('%.6f', now)
  redis.call('DEL', KEYS[2])
  if paused_until > 0 then
    paused_until = paused_until + passed
    redis.call('HSET', KEYS[1], 'paused_until', string.format('%.6f', paused_until))
  end
end
-- No place lies before the end of a pause, so the bucket is filled as it will be then: once, however many ask meanwhile.
local first_at = math.max(now, paused_until)
local filling = math.max(0, first_at - filled)
local at = first_at

if refill > 0 then
  tokens = math.min(capacity, tokens + filling * refill)
  -- What is larger than the bucket goes when that is full, and leaves a debt.
  at = math.max(at, first_at + (math.min(pages, capacity) - tokens) / refill)
end
if requests_refill > 0 then
  requests = math.min(requests_capacity, requests + filling * requests_refill)
  at = math.max(at, first_at + (1 - requests) / requests_refill)
end
if window_pages > 0 then
  local oldest = string.format('%.6f', now - window)
  if not total or redis.call('EXISTS', KEYS[2]) == 0 then
    total = sum(redis.call('ZRANGE', KEYS[2], 0, -1))
  end
  total = total - sum(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', oldest))
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', oldest)
  -- The bucket keeps the pace; this keeps the vendor's count, whatever the sizes are. Few of them have to leave the
  -- window before there is room, so few are read.
  local left, first = total, 0
  while left > 0 and left + pages > window_pages do
    local next = redis.call('ZRANGE', KEYS[2], first, first, 'WITHSCORES')
    if not next[1] then
      total = total - left -- There is less than was thought.
      break
    end
    at = math.max(at, tonumber(next[2]) + window)
    left = left - pages_of(next[1])
    first = first + 1
  end
end

local wait = at - now
local taken = wait <= most_wait
if taken then
  -- What goes without a limit leaves no debt to one that is set later.
  if refill > 0 then tokens = tokens - pages end
  if requests_refill > 0 then requests = requests - 1 end
  if window_pages > 0 then
    total = total + pages
    local name = string.format('%d:%s%06d', pages, clock[1], tonumber(clock[2]))
    -- Two may be taken in one microsecond.
    while redis.call('ZSCORE', KEYS[2], name) do name = name .. "'" end
    redis.call('ZADD', KEYS[2], string.format('%.6f', at), name)
    redis.call('PEXPIRE', KEYS[2], math.ceil((wait + window) * 1000) + 1000)
  end
end
if window_pages > 0 then redis.call('HSET', KEYS[1], 'total', total) end
redis.call('HSET', KEYS[1], 'pages', string.format('%.9f', tokens), 'requests', string.format('%.9f', requests),
  'at', string.format('%.6f', now), 'filled', string.format('%.6f', math.max(first_at, filled)), 'since', since)
return {taken and 1 or 0, math.max(0, math.ceil(wait * 1e6)), since}
