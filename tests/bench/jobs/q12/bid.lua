-- Nexmark's query 12: bids of a bidder in ten seconds, by the clock.
local sl = require "streamlua"

return {
  key_by    = { "bidder" },
  time      = function(_, ctx) return ctx.now end,
  window    = sl.tumbling("10s"),
  aggregate = { bids = sl.count() },
  emit      = "final",
  target    = "bids_of_bidder",
  columns   = { "bidder", "bids", started = "window_start", ended = "window_end" },
}
