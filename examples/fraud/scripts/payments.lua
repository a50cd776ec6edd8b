-- A payment under 1 directly followed by one over 500, on the same account.
local M = { key_by = { "account_id" }, time = "created_at", state = { ttl = "1d" } }

function M.process(row, state, ctx)
  if state.small and row.amount > 500 then
    ctx:emit("alerts", { account_id = row.account_id, payment_id = row.id, amount = row.amount })
  end
  state.small = row.amount < 1 or nil          -- an empty state is no row
end

local function payment(id, account, amount, at)
  return { id = id, account_id = account, amount = amount, created_at = "2024-01-31 " .. at }
end

M.examples = {
  { name = "a small one, then a large one, and others between them", steps = {
    { row = payment(1, 7, 0.5, "12:00:00") },
    { state = { 7 }, expect = { small = true } },
    { row = payment(2, 8, 900, "12:00:01") },
    { restart = true },
    { row = payment(3, 7, 900, "12:00:02"), expect = { target = "alerts", row = { account_id = 7, payment_id = 3, amount = 900 } } },
    { state = { 7 }, expect = false },
  } },
  { name = "a day lies between them", steps = {
    { row = payment(1, 7, 0.5, "12:00:00") },
    { advance_to = "2024-02-01 12:00:00" },
    { state = { 7 }, expect = false },
  } },
  { row = payment(1, 7, 900, "12:00:00"), expect = false },
}

return M
