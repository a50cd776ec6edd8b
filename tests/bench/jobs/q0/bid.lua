-- Nexmark's query 0: bids as they are.
return {
  target  = "bids",
  columns = { "auction", "bidder", "price", "channel", "url", date_time = "dateTime", "extra" },
}
