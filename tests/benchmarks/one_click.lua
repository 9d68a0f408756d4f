-- Each request leaves with a link of its own: the paths come from a file, one a line, and are asked once.
local paths = {}

function init(args)
  local skip, at = tonumber(args[2]), 0
  for line in io.lines(args[1]) do
    at = at + 1
    if at > skip then paths[#paths + 1] = line end
  end
end

local next_path = 0

function request()
  next_path = next_path + 1
  if next_path > #paths then
    wrk.thread:stop()
    next_path = 1
  end
  local headers = {
    ["Host"] = "news.example.org",
    ["Content-Type"] = "application/x-www-form-urlencoded",
  }
  return wrk.format("POST", paths[next_path], headers, "List-Unsubscribe=One-Click")
end

function done(summary, latency)
  io.write(string.format(
    "RESULT %d %d %d %d %.1f\n", summary.requests, summary.duration, summary.errors.status,
    latency:percentile(50), latency:percentile(99)))
end
