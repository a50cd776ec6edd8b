-- Customers who are still there, without what tells where to write to them.
local M = {}

local function mask(mail)
  if mail then
    return mail:sub(1, 1) .. "***" .. mail:match "@.*$"
  end
end

M.columns = {
  "id", "name", "city",                -- copied as they are
  mail        = function(row) return mask(row.email) end,
  mail_domain = function(row) return row.email and row.email:match "@(.*)$" end,
}

-- The target holds exactly the rows for which this is true.
function M.where(row)
  return row.deleted_at == nil
end

M.examples = {
  { op = "insert", row = { id = 1, name = "Ann", email = "ann@example.com", city = "Köln" },
    expect = { id = 1, mail = "a***@example.com", mail_domain = "example.com" } },
  { op = "update", old = { id = 1, name = "Ann" }, row = { id = 1, name = "Ann", deleted_at = "2024-01-31 12:00:05" },
    expect = { delete = { id = 1 } } },
}

return M
