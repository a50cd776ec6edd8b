-- What each column of the source is called in the target. Columns that are not named here are not copied.
local M = {}

M.orders = {
  id      = "order_id",
  user_id = "customer_id",
  price   = "amount",
  state   = "status",
  created = "created_at",
}

M.deliveries = {
  order_id = "order_id",
  carrier  = "carrier",
  sent     = "sent_at",
}

M.users = {
  id    = "customer_id",
  login = "name",
  phone = "phone",
}

-- The same as scripts have it: target column = source column.
function M.columns(table_name)
  local columns = {}
  for source, target in pairs(M[table_name]) do
    columns[target] = source
  end
  return columns
end

return M
