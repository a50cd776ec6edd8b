local mapping = require "mapping"

return {
  target  = "dw_customers",
  columns = mapping.columns "users",

  examples = {
    { op = "insert", row = { id = 1, login = "ann", phone = "+49 1" }, expect = { customer_id = 1, name = "ann", phone = "+49 1" } },
    -- REPLACE INTO users (id, login, phone) VALUES (3, 'bobby', '+49 2'), where user 2 had that phone
    { op = "update", key = { id = 2 }, old = { id = 2, login = "bob", phone = "+49 2" }, row = { id = 3, login = "bobby", phone = "+49 2" },
      expect = {
        { target = "dw_customers", delete = { customer_id = 2 } },
        { target = "dw_customers", row = { customer_id = 3, name = "bobby", phone = "+49 2" } },
      } },
  },
}
