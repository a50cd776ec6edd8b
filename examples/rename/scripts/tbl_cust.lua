-- The file's name is the source's table, `target` the one that is written.
return {
  target  = "customers",
  columns = { customer_id = "cust_no", name = "nm", city = "addr_city" },      -- target column <- source column

  examples = {
    { op = "insert", row = { cust_no = 1, nm = "Ann", addr_city = "Bonn" }, expect = { customer_id = 1, name = "Ann", city = "Bonn" } },
    { op = "delete", row = { cust_no = 1, nm = "Ann", addr_city = "Bonn" }, expect = { delete = { customer_id = 1 } } },
  },
}
