-- INSERT INTO dw_customers SELECT customer_id, COUNT(*), SUM(amount) FROM payments WHERE state = 'done' GROUP BY customer_id
return {
  target  = "dw_customers",
  merge   = { payments = "sum", revenue = "sum" },
  columns = { customer_id = "customer_id", payments = function() return 1 end, revenue = "amount" },
  where   = function(row) return row.state == "done" end,

  examples = {
    { op = "insert", row = { id = 1, customer_id = 7, amount = 39.8, state = "done" }, expect = { customer_id = 7, payments = 1, revenue = 39.8 } },
    { op = "insert", row = { id = 2, customer_id = 7, amount = 5.05, state = "open" }, expect = false },
  },
}
