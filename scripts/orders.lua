-- Every change of a source table `orders`, in any database, passes through here.
local M = {}

M.target  = "orders"
M.columns = {                          -- target column <- source column, or a function of the row
  id          = "id",
  customer_id = "customer_id",
  amount      = "price",               -- copied: it arrives with every digit that left
  sku         = function(row) return row.sku and row.sku:upper() end,
}

-- false drops the message. On a delete `row` is the row that is gone, or only its key where no more is known.
function M.filter(row, ctx)
  return ctx.op == "delete" or not (row.test == 1 or row.test == true)
end

M.examples = {
  { op = "insert", row = { id = 1, customer_id = 7, price = "19.90", sku = "tea-50" },
    expect = { id = 1, customer_id = 7, amount = "19.90", sku = "TEA-50" } },
  { op = "insert", row = { id = 2, customer_id = 7, price = "1.00", sku = "x", test = 1 }, expect = false },
  { op = "delete", row = { id = 2, test = 1 }, expect = { delete = { id = 2 } } },
}

return M
