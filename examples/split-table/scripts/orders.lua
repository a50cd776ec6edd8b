-- An order carries its items as JSON; the target has a table for each.
local sl = require "streamlua"

local M = {}

local function items_of(row)
  return row.items and sl.json.decode(row.items) or {}
end

function M.map(row, ctx)
  local items, pieces = items_of(row), 0
  for line, item in ipairs(items) do
    ctx:emit("order_items", { order_id = row.id, line = line, sku = item.sku, n = item.n })
    pieces = pieces + item.n
  end
  -- What the order had before and has no more.
  for line = #items + 1, ctx.old and #items_of(ctx.old) or 0 do
    ctx:delete("order_items", { order_id = row.id, line = line })
  end
  return { id = row.id, customer = row.customer, pieces = pieces }
end

M.examples = {
  { op = "insert", row = { id = 1, customer = "Ann", items = '[{"sku":"tea","n":2},{"sku":"mug","n":1}]' },
    expect = {
      { target = "order_items", row = { order_id = 1, line = 1, sku = "tea", n = 2 } },
      { target = "order_items", row = { order_id = 1, line = 2, sku = "mug", n = 1 } },
      { row = { id = 1, customer = "Ann", pieces = 3 } },
    } },
  { op = "update", key = { id = 1 },
    old = { id = 1, customer = "Ann", items = '[{"sku":"tea","n":2}]' }, row = { id = 1, customer = "Ann", items = "[]" },
    expect = {
      { target = "order_items", delete = { order_id = 1, line = 1 } },
      { row = { id = 1, customer = "Ann", pieces = 0 } },
    } },
  { op = "delete", row = { id = 1, customer = "Ann", items = '[{"sku":"tea","n":2}]' },
    expect = {
      { target = "order_items", delete = { order_id = 1, line = 1 } },
      { delete = { id = 1 } },
    } },
}

return M
