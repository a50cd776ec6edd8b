-- Active customers, without their mail addresses.
local M = {}

-- "zofie@example.com" -> "z***@example.com"
local function mask(mail)
  return mail and mail:gsub("^(.)[^@]*", "%1***")
end

M.columns = {
  "id",                                -- the same name on both sides
  "name",
  mail = function(row) return (mask(row.email)) end,
}

-- The target holds exactly the rows for which this is true: who becomes inactive, leaves it.
function M.where(row)
  return row.active == 1
end

M.examples = {
  { op = "insert", row = { id = 1, name = "Ann", email = "ann@example.com", active = 1 },
    expect = { id = 1, name = "Ann", mail = "a***@example.com" } },
  { op = "update", old = { id = 1, name = "Ann", active = 1 }, row = { id = 1, name = "Ann", active = 0 },
    expect = { delete = { id = 1 } } },
}

return M
