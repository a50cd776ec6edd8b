-- Every column that the target has too is copied. `note` is not in dw_customers: field.exclude.list has nothing left to do.
return {
  target = "dw_customers",

  examples = {
    { op = "insert", row = { id = 1, name = "Ann" }, expect = { id = 1, name = "Ann" } },
  },
}
