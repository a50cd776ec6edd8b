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
  },
}
