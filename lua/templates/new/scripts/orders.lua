-- Every change of the source table `orders`, in any database, passes through here.
local M = {}

M.target  = "orders"
M.columns = {                          -- target column <- source column, or a function of the row
  id          = "id",
  customer_id = "customer_id",
  amount      = "price",
  sku         = function(row) return row.sku:upper() end,
}

-- false drops the message.
function M.filter(row, ctx)
  return row.test ~= 1 or ctx.op == "delete"
end

-- `streamlua test` runs these; `streamlua check` does, and a reload before it is taken.
M.examples = {
  { op = "insert", row = { id = 1, customer_id = 7, price = 19.9, sku = "tea-50", test = 0 },
    expect = { id = 1, customer_id = 7, amount = 19.9, sku = "TEA-50" } },
  { op = "insert", row = { id = 2, customer_id = 7, price = 1, sku = "x", test = 1 },
    expect = false },
}

return M
