-- Orders without the shop's own tests; two columns get other names, and one is made by a function.
local M = {}

M.columns = {
  id          = "id",
  customer_id = "customer_id",
  amount      = "price",
  sku         = function(row) return row.sku:upper() end,
}

-- On a delete `row` is the row that is gone. Deletes always pass: one of a row that never came through deletes nothing.
function M.filter(row, ctx)
  return row.test ~= 1 or ctx.op == "delete"
end

M.examples = {
  { op = "insert", row = { id = 1, customer_id = 7, price = "19.90", sku = "tea-50", test = 0 },
    expect = { id = 1, customer_id = 7, amount = "19.90", sku = "TEA-50" } },
  { op = "insert", row = { id = 4, customer_id = 9, price = "0.01", sku = "test", test = 1 }, expect = false },
  { op = "delete", row = { id = 4, customer_id = 9, price = "0.01", sku = "test", test = 1 }, expect = { delete = { id = 4 } } },
}

return M
