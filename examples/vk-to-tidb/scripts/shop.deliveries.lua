-- Two more columns of an order. The delivery may come before the order does: it then waits for it.
local mapping = require "mapping"

return {
  target  = "dw_orders",
  write   = "update",
  columns = mapping.columns "deliveries",

  examples = {
    { op = "update", row = { order_id = 1, carrier = "DHL", sent = "2024-01-31 12:00:00" },
      expect = { order_id = 1, carrier = "DHL", sent_at = "2024-01-31 12:00:00" } },
  },
}
