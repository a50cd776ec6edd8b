-- Orders with the name and the country of their customer, which stand in another table of the target.
local M = { target = "orders" }

M.lookup = {
  customer = { table = "customers", key = { id = "customer_id" }, columns = { "name", "country", "discount" }, ttl = "5m" },
}

M.columns = {
  id      = "id",
  name    = "customer.name",
  country = "customer.country",
  amount  = "amount",
  due     = function(row)
    return row.amount * (100 - (row.customer.discount or 0)) / 100
  end,
}

function M.where(row)
  return row.customer.country ~= "test"
end

M.examples = {
  { row = { id = 1, customer_id = 7, amount = 80 }, lookup = { customer = { name = "Ada", country = "GB", discount = 10 } },
    expect = { id = 1, name = "Ada", country = "GB", amount = 80, due = 72 } },
  { name = "a customer that nobody knows", row = { id = 2, customer_id = 8, amount = 80 }, lookup = { customer = false },
    expect = { id = 2, amount = 80, due = 80 } },
  { row = { id = 3, customer_id = 9, amount = 1 }, lookup = { customer = { country = "test" } }, expect = false },
}

return M
