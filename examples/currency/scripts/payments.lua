-- Amounts come in the smallest unit of their currency; the target has them as decimals, and in euros at the rate of their day.
local sl = require "streamlua"
local decimal = sl.decimal

local M = { target = "payments" }

M.lookup = {
  rate = { table = "rates", key = { day = "paid_on", currency = "currency" }, columns = { "places", "eur" }, ttl = "1h" },
}

function M.map(row)
  if not row:has "rate" then
    error(("no rate of %s on %s"):format(row.currency, row.paid_on))       -- a dead letter, to be replayed when there is one
  end
  local amount = decimal.div(row.minor, "1" .. ("0"):rep(row.rate.places), row.rate.places)
  return { id = row.id, currency = row.currency, amount = amount, eur = decimal.round(decimal.mul(amount, row.rate.eur), 2) }
end

M.examples = {
  { row = { id = 1, minor = 1990, currency = "USD", paid_on = "2024-01-31" }, lookup = { rate = { places = 2, eur = "0.9227" } },
    expect = { id = 1, currency = "USD", amount = "19.90", eur = "18.36" } },
  { name = "more digits than a double has", row = { id = 2, minor = "9007199254740993", currency = "EUR", paid_on = "2024-01-31" },
    lookup = { rate = { places = 2, eur = "1" } }, expect = { amount = "90071992547409.93", eur = "90071992547409.93" } },
  { row = { id = 3, minor = 1, currency = "XTS", paid_on = "2024-01-31" }, expect = { error = "no rate of XTS" } },
}

return M
