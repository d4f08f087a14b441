-- wrk: the same request again and again: a POST, or a GET when BODY is "-".
-- usage: wrk -t1 -cN -dTs -s same.lua URL -- BODY AUTHORIZATION MUST_CONTAIN
local thread, wanted
ok, bad, sample = 0, 0, ""

function setup(started) thread = started end

function init(arguments)
  wrk.headers["Authorization"] = arguments[2]
  if arguments[1] ~= "-" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    wrk.body = arguments[1]
  end
  wanted = arguments[3]
end

function response(status, headers, body)
  if status == 200 and body:find(wanted, 1, true) then
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
