-- No columns and no map: every column that the target has too is copied.
return {
  examples = {
    { op = "insert", row = { id = 1, owner = "Ann", balance = 5 }, expect = { id = 1, owner = "Ann", balance = 5 } },
  },
}
