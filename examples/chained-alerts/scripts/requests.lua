-- Requests and errors of each service and minute; what becomes of such a row is said by the scripts that read the stream.
local sl = require "streamlua"

return {
  key_by    = { "service" },
  time      = "at",
  window    = sl.tumbling "1m",
  aggregate = { requests = sl.count(), errors = sl.sum "failed" },
  target    = sl.stream "minutes",

  examples = {
    { row = { service = "pay", at = "2024-01-31 12:00:05", failed = 1 },
      expect = { service = "pay", window_start = "2024-01-31 12:00:00", requests = 1, errors = 1 } },
  },
}
