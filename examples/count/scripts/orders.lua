-- How many orders each customer has paid, and what they come to:
-- SELECT customer_id, COUNT(*), SUM(price) FROM orders WHERE state = 'paid' GROUP BY customer_id
return {
  target  = "customers",
  merge   = { orders = "sum", total = "sum" },                        -- added to what is there, by the database
  columns = { id = "customer_id", orders = function() return 1 end, total = "price" },
  where   = function(row) return row.state == "paid" end,             -- which rows count

  examples = {
    { op = "insert", row = { id = 1, customer_id = 7, price = 19.9, state = "paid" }, expect = { id = 7, orders = 1, total = 19.9 } },
    { op = "insert", row = { id = 1, customer_id = 7, price = 19.9, state = "new" }, expect = false },
    { op = "delete", row = { id = 1, customer_id = 7, price = 19.9, state = "paid" }, expect = { id = 7, orders = -1, total = -19.9 } },
  },
}
