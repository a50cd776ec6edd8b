-- Nexmark's query 18: the last bid of a bidder on an auction, by its own time.
return {
  key_by  = { "bidder", "auction" },
  target  = "last_bids",
  process = function(row, state)
    if state.at and state.at > row.dateTime then return nil end
    state.at = row.dateTime
    return { auction = row.auction, bidder = row.bidder, price = row.price, channel = row.channel, url = row.url, date_time = row.dateTime, extra = row.extra }
  end,
}
