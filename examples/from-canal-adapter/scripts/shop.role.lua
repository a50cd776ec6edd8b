-- rdb/mirror.yml: mapAll. Every column that the target has too is copied.
return {
  examples = {
    { op = "insert", row = { id = 1, title = "admin" }, expect = { id = 1, title = "admin" } },
  },
}
