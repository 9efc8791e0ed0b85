-- A contact on one of many episodes, whatever version it is at, under a fresh key each time; figures as one JSON line.
local number, ids = 0, {}
local headers = { ["Content-Type"] = "application/json", ["If-Match"] = "*" }

function init(args)
  for line in io.lines(args[1]) do ids[#ids + 1] = line end
  headers["Authorization"] = "Bearer " .. args[2]
  run = args[3]
end

function request()
  number = number + 1
  headers["Idempotency-Key"] = run .. "-" .. number
  local path = "/api/v1/episodes/" .. ids[number % #ids + 1] .. "/commands"
  return wrk.format("POST", path, headers, '{"kind":"contact","values":{"channel":"telephone","result":"no_answer"}}')
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"p50":%d,"p99":%d,"status":%d,"other":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
