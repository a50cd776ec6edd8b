-- One side of a profile: who the customer is.
return {
  target  = "profiles",
  owns    = { "name", "city" },
  columns = { customer_id = "id", name = "name", city = "city" },

  examples = {
    { op = "insert", row = { id = 1, name = "Ann", city = "Bonn" }, expect = { customer_id = 1, name = "Ann", city = "Bonn" } },
  },
}
