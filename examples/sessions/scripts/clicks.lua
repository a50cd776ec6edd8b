-- What a user does without a pause of half an hour is a session.
local sl = require "streamlua"

return {
  key_by    = { "user" },
  time      = "at",
  window    = sl.session("30m", { out_of_order = "5m" }),
  aggregate = { clicks = sl.count(), first_page = sl.first "page", last_page = sl.last "page", pages = sl.count_distinct "page" },
  emit      = "changes",
  target    = "sessions",

  examples = {
    { op = "insert", row = { user = "ann", at = "2024-01-31 09:00:00", page = "/" },
      expect = { user = "ann", window_start = "2024-01-31 09:00:00", window_end = "2024-01-31 09:30:00", clicks = 1, first_page = "/" } },
    { name = "one click makes one session of two", steps = {
      { row = { user = "ann", at = "2024-01-31 09:00:00", page = "/" }, expect = { clicks = 1 } },
      { row = { user = "ann", at = "2024-01-31 09:31:00", page = "/tea" }, expect = { window_start = "2024-01-31 09:31:00", clicks = 1 } },
      { row = { user = "ann", at = "2024-01-31 09:27:00", page = "/cup" }, expect = {
        { row = { window_start = "2024-01-31 09:00:00", window_end = "2024-01-31 10:01:00", clicks = 3, first_page = "/", last_page = "/tea" } },
        { delete = { user = "ann", window_start = "2024-01-31 09:31:00" } },
      } },
    } },
  },
}
