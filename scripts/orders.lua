local M = {}
M.target = "orders_out"
M.columns = { id = "id", customer = "customer_id", amount = "price", sku = function(row) return row.sku:upper() end }
function M.filter(row, ctx) return row.sku ~= "test" end
M.examples = { { op = "insert", row = { id = 1, customer_id = 2, price = 3.5, sku = "abc" }, expect = { id = 1, sku = "ABC" } } }
return M
