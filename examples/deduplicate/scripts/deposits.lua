-- The producer may send an event twice; the first one counts.
local sl = require "streamlua"
local M = { key_by = { "account_id" }, time = "at", state = { ttl = "7d" }, target = "deposits" }

function M.process(row, state, ctx)
  local seen = ctx:map "seen"                          -- the event_ids of this account, a row each
  if seen[row.event_id] then
    return nil
  end
  seen[row.event_id] = true
  state.balance = sl.decimal.add(state.balance or 0, row.amount)
  return { event_id = row.event_id, account_id = row.account_id, amount = row.amount, balance = state.balance }
end

local function deposit(id, amount, at)
  return { event_id = id, account_id = 7, amount = amount, at = "2024-01-31 " .. at }
end

M.examples = {
  { name = "the second one is dropped, also by another worker", steps = {
    { row = deposit("a1", 10, "12:00:00"), expect = { event_id = "a1", balance = "10" } },
    { row = deposit("a1", 10, "12:00:01") },
    { restart = true },
    { row = deposit("a1", 10, "12:00:02") },
    { row = deposit("a2", 5, "12:00:03"), expect = { event_id = "a2", balance = "15" } },
  } },
}

return M
