-- wrk: every connection refreshes a token of its own again and again.
-- wrk does not say which connection asks, so there is a queue with one token per connection: a token is taken for
-- each request, and the new one is put back with its answer.
-- usage: wrk -t1 -cN -dTs -s rotate.lua URL -- TOKENS_FILE AUTHORIZATION
local thread
local queue, first, last = {}, 1, 0
local heads = {}
ok, bad, dry, sample = 0, 0, 0, ""

function setup(started) thread = started end

function init(arguments)
  for line in io.lines(arguments[1]) do
    last = last + 1
    queue[last] = line
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = arguments[2]
end

-- What stands before a token of this length: making it anew for each request costs more than sending it.
local function head(length)
  local made = wrk.format(nil, nil, nil, "grant_type=refresh_token&refresh_token=" .. ("x"):rep(length))
  heads[length] = made:sub(1, #made - length)
  return heads[length]
end

-- The same as a pattern, which is not compiled to machine code; peers may write a space after the colon.
local function refreshed(body)
  local _, before = body:find('"refresh_token":"', 1, true)
  local after = before and body:find('"', before + 1, true)
  if after and after > before + 1 then return body:sub(before + 1, after - 1) end
  return body:match('"refresh_token"%s*:%s*"([^"]+)"')
end

function request()
  local token = queue[first]
  if token then
    queue[first] = nil
    first = first + 1
  else
    dry = dry + 1
  end
  token = token or "none"
  return (heads[#token] or head(#token)) .. token
end

function response(status, headers, body)
  local token = status == 200 and refreshed(body)
  if token then
    ok = ok + 1
    last = last + 1
    queue[last] = token
  else
    bad = bad + 1
    if sample == "" then sample = status .. " " .. body:sub(1, 120):gsub("%c", " ") end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT\t%.1f\t%.2f\t%.2f\t%d\t%d\t%d\t%d\t%s",
    thread:get("ok") / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    thread:get("ok"), thread:get("bad"), e.connect + e.read + e.write + e.timeout, thread:get("dry"),
    thread:get("sample")))
end
