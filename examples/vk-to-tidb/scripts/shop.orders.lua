local mapping = require "mapping"

return {
  target  = "dw_orders",
  columns = mapping.columns "orders",

  examples = {
    { op = "insert", row = { id = 1, user_id = 2, price = "9.50", state = "new", created = "2024-01-31 12:00:00", shard = 3 },
      expect = { order_id = 1, customer_id = 2, amount = "9.50", status = "new", created_at = "2024-01-31 12:00:00" } },
    { op = "delete", row = { id = 1 }, expect = { delete = { order_id = 1 } } },
  },
}
