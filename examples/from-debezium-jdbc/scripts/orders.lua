return {
  target = "dw_orders",

  examples = {
    { op = "delete", row = { id = 10 }, expect = { delete = { id = 10 } } },
  },
}
