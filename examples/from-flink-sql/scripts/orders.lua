-- INSERT INTO dw_orders SELECT id, UPPER(sku), price * quantity, CASE status ... END FROM orders WHERE status <> 'test'
local sl = require "streamlua"

local STATUS = { p = "paid", n = "new" }

return {
  target  = "dw_orders",
  columns = {
    order_id = "id",
    sku      = function(row) return row.sku and row.sku:upper() end,
    amount   = function(row) return sl.decimal.mul(row.price, row.quantity) end,
    status   = function(row) return STATUS[row.status] or row.status end,
  },
  where   = function(row) return row.status ~= "test" end,

  examples = {
    { op = "insert", row = { id = 1, sku = "tea", price = "19.90", quantity = 3, status = "p" },
      expect = { order_id = 1, sku = "TEA", amount = "59.70", status = "paid" } },
    { op = "update", old = { id = 2, sku = "mug", price = "5.05", quantity = 1, status = "p" },
      row = { id = 2, sku = "mug", price = "5.05", quantity = 1, status = "test" }, expect = { delete = { order_id = 2 } } },
  },
}
