-- The same where the topic is keyed by the auction: in its partition a bidder's last bid comes last, and the target's key is all it takes.
return {
  target  = "last_bids",
  columns = { "auction", "bidder", "price", "channel", "url", date_time = "dateTime", "extra" },
}
