-- Plain names are copied under the same name.
return {
  target  = "orders",
  columns = { "id", "status", "price", customer_id = "cust" },

  examples = {
    { op = "insert", row = { id = 10, cust = 1, status = "new", price = "19.90", legacy_flag = 0 },
      expect = { id = 10, customer_id = 1, status = "new", price = "19.90" } },
  },
}
