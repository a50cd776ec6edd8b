-- A payment under 1 directly followed by one over 500, on the same account.
local M = { key_by = { "account_id" }, time = "created_at", state = { ttl = "1d" } }

function M.process(row, state, ctx)
  if state.small and row.amount > 500 then
    ctx:emit("alerts", { account_id = row.account_id, payment_id = row.id, amount = row.amount })
  end
  state.small = row.amount < 1 or nil          -- an empty state is no row
end

-- Each example begins with an empty state.
M.examples = {
  { op = "insert", row = { id = 1, account_id = 7, amount = 0.5, created_at = "2024-01-31 12:00:00" }, expect = false },
  { op = "insert", row = { id = 2, account_id = 7, amount = 900, created_at = "2024-01-31 12:00:00" }, expect = false },
}

return M
