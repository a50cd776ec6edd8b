-- The other side: what the customer has collected. Both tier and points may be NULL, so `member` says that there is such a row.
return {
  target  = "profiles",
  owns    = { "member", "tier", "points" },
  columns = { "customer_id", "tier", "points", member = function() return 1 end },

  examples = {
    { op = "insert", row = { customer_id = 1, tier = "gold" }, expect = { customer_id = 1, member = 1, tier = "gold" } },
  },
}
