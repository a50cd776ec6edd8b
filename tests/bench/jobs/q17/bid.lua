-- Nexmark's query 17: bids on an auction in a day, and their prices.
local sl = require "streamlua"

return {
  key_by    = { "auction" },
  time      = "dateTime",
  window    = sl.tumbling("1d"),
  aggregate = {
    total_bids = sl.count(),
    rank1_bids = sl.count(function(row) return row.price < 10000 end),
    rank2_bids = sl.count(function(row) return row.price >= 10000 and row.price < 1000000 end),
    rank3_bids = sl.count(function(row) return row.price >= 1000000 end),
    min_price = sl.min "price", max_price = sl.max "price", avg_price = sl.avg "price", sum_price = sl.sum "price",
  },
  target    = "auction_days",
  columns   = {
    "auction", day = "window_start", "total_bids", "rank1_bids", "rank2_bids", "rank3_bids", "min_price", "max_price", "avg_price", "sum_price",
  },
}
