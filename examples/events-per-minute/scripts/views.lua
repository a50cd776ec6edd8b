-- Views per page and minute, for a dashboard.
local sl = require "streamlua"

return {
  key_by    = { "page" },
  time      = "viewed_at",
  window    = sl.tumbling("1m", { out_of_order = "10s" }),
  aggregate = { views = sl.count(), seconds = sl.sum "dwell" },
  emit      = "changes",
  target    = "views_per_minute",
  columns   = { page = "page", window_start = "window_start", window_end = "window_end", views = "views", seconds = "seconds" },

  -- Views that came when their minute was over.
  late = function(row, ctx)
    ctx:emit("late_views", { id = row.id, page = row.page, viewed_at = row.viewed_at })
  end,

  examples = {
    { op = "insert", row = { id = 1, page = "/", viewed_at = "2024-01-31 12:00:05", dwell = 3.5 },
      expect = { page = "/", window_start = "2024-01-31 12:00:00", window_end = "2024-01-31 12:01:00", views = 1, seconds = 3.5 } },
    { name = "out of order, and late", steps = {
      { row = { id = 1, page = "/", viewed_at = "2024-01-31 12:00:50", dwell = 1 }, expect = { views = 1, seconds = 1 } },
      { row = { id = 2, page = "/", viewed_at = "2024-01-31 12:01:05", dwell = 5 },
        expect = { window_start = "2024-01-31 12:01:00", views = 1, seconds = 5 } },
      { row = { id = 3, page = "/", viewed_at = "2024-01-31 12:00:55", dwell = 2 },
        expect = { window_start = "2024-01-31 12:00:00", views = 2, seconds = 3 } },
      { advance_to = "2024-01-31 12:01:00" },
      { row = { id = 4, page = "/", viewed_at = "2024-01-31 12:00:56", dwell = 2 },
        expect = { target = "late_views", row = { id = 4, page = "/" } } },
    } },
  },
}
