return {
  examples = {
    { op = "delete", row = { id = 1, account_id = 2, amount = "3.00" }, expect = { delete = { id = 1 } } },
  },
}
