-- Customers who are there: the target holds exactly the rows for which `where` is true, and no mail addresses.
local M = {}

local function mask(mail)
  if mail then
    return mail:sub(1, 1) .. "***" .. (mail:match "@.*$" or "")
  end
end

M.columns = {
  "id", "name",                        -- the same name on both sides
  mail = function(row) return mask(row.email) end,
}

-- An update after which this is false becomes a delete.
function M.where(row)
  return row.deleted_at == nil
end

M.examples = {
  { op = "insert", row = { id = 1, name = "Žofie", email = "zofie@example.com" },
    expect = { id = 1, name = "Žofie", mail = "z***@example.com" } },
  { op = "update", old = { id = 1, name = "Žofie" }, row = { id = 1, name = "Žofie", deleted_at = "2024-01-31 12:00:00" },
    expect = { delete = { id = 1 } } },
  { op = "insert", row = { id = 2, name = "gone already", deleted_at = "2024-01-31 12:00:00" }, expect = false },
}

return M
