-- Nexmark's query 2: bids for every 123rd auction.
return {
  target  = "selected",
  columns = { "auction", "price", date_time = "dateTime" },
  filter  = function(row) return row.auction % 123 == 0 end,
}
