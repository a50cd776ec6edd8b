local sl = require "streamlua"

return {
  key_by    = { "page" },
  time      = "viewed_at",
  window    = sl.tumbling("1m", { out_of_order = "5s" }),
  aggregate = { views = sl.count(), seconds = sl.sum "dwell" },
  emit      = "${emit}",
  target    = "views_per_minute",
  columns   = { page = "page", window_start = "window_start", views = "views", seconds = "seconds" },
}
