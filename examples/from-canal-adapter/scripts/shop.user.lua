-- rdb/user.yml: database and table are the file's name, targetTable is target, targetColumns is columns.
return {
  target  = "customers",
  columns = { customer_id = "id", name = "name", phone = "mobile", joined_at = "c_time" },

  examples = {
    { op = "insert", row = { id = 1, name = "Ann", mobile = "139", password = "9f86d081" },
      expect = { customer_id = 1, name = "Ann", phone = "139" } },
  },
}
