-- wrk: every request redeems a code of its own; there must be enough of them.
-- usage: wrk -t1 -cN -dTs -s once.lua URL -- CODES_FILE AUTHORIZATION REDIRECT_URI_ENCODED
local thread, redirect
local codes, next_code = {}, 0
ok, bad, sample = 0, 0, ""

function setup(started) thread = started end

function init(arguments)
  for line in io.lines(arguments[1]) do codes[#codes + 1] = line end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = arguments[2]
  redirect = arguments[3]
end

function request()
  next_code = next_code + 1
  return wrk.format(nil, nil, nil,
    "grant_type=authorization_code&redirect_uri=" .. redirect .. "&code=" .. (codes[next_code] or "none"))
end

function response(status, headers, body)
  if status == 200 and body:find("refresh_token", 1, true) then
    ok = ok + 1
  else
    bad = bad + 1
    if sample == "" then sample = status .. " " .. body:sub(1, 120):gsub("%c", " ") end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT\t%.1f\t%.2f\t%.2f\t%d\t%d\t%d\t0\t%s",
    thread:get("ok") / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    thread:get("ok"), thread:get("bad"), e.connect + e.read + e.write + e.timeout, thread:get("sample")))
end
