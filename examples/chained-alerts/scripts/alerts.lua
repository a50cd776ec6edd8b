-- Minutes in which half of the requests or more failed; one that gets better again is none any more.
local sl = require "streamlua"

local M = { source = sl.stream "minutes" }

function M.where(row)
  return row.requests >= 4 and row.errors / row.requests >= 0.5
end

M.columns = {
  service = "service",
  minute  = "window_start",
  percent = function(row) return math.floor(100 * row.errors / row.requests) end,
}

M.examples = {
  { row = { service = "pay", window_start = "2024-01-31 12:00:00", requests = 4, errors = 2 },
    expect = { service = "pay", minute = "2024-01-31 12:00:00", percent = 50 } },
  { op = "update", row = { service = "pay", window_start = "2024-01-31 12:00:00", requests = 5, errors = 2 },
    expect = { delete = { service = "pay", minute = "2024-01-31 12:00:00" } } },
}

return M
