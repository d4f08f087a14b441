-- wrk: every connection refreshes a token of its own again and again.
-- wrk does not say which connection asks, so there is a queue with one token per connection: a token is taken for
-- each request, and the new one is put back with its answer.
-- usage: wrk -t1 -cN -dTs -s rotate.lua URL -- TOKENS_FILE AUTHORIZATION
local thread
local queue, first, last = {}, 1, 0
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

function request()
  local token = queue[first]
  if token then
    queue[first] = nil
    first = first + 1
  else
    dry = dry + 1
  end
  return wrk.format(nil, nil, nil, "grant_type=refresh_token&refresh_token=" .. (token or "none"))
end

function response(status, headers, body)
  local token = status == 200 and body:match('"refresh_token"%s*:%s*"([^"]+)"')
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
