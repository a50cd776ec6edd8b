-- Nexmark's query 1: bids in another currency.
return {
  target  = "bids",
  columns = {
    "auction", "bidder", date_time = "dateTime", "extra",
    price = function(row) return row.price * 0.908 end,
  },
}
