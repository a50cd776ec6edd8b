-- Every change of the source table `orders` passes through here.
local M = {}

M.target  = "orders"
M.columns = {                          -- target column <- source column, or a function of the row
  id          = "id",
  customer_id = "customer_id",
  amount      = "price",
  sku         = function(row) return row.sku:upper() end,
  note        = "note",
}

-- false drops the change: orders of the shop's own tests stay out of the target.
function M.filter(row, ctx)
  return row.test ~= 1 or ctx.op == "delete"
end

-- These run before the scripts are taken over; one that fails, and the old scripts stay. Columns that `expect` does not name may be
-- anything: `sku` is yours to play with.
M.examples = {
  { op = "insert", row = { id = 1, customer_id = 7, price = "19.90", sku = "tea-50", test = 0 },
    expect = { id = 1, customer_id = 7, amount = "19.90" } },
  { op = "insert", row = { id = 2, customer_id = 7, price = "0.01", sku = "x", test = 1 },
    expect = false },
}

return M
