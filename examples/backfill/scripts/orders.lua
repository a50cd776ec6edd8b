-- Orders, with where in Kafka the change stood that they were last written by.
local M = {}

function M.map(row, ctx)
  return { id = row.id, sku = row.sku, region = row.region or "none", topic = ctx.topic, part = ctx.partition, place = ctx.offset }
end

M.examples = {
  { op = "insert", row = { id = 1, sku = "tea" }, expect = { id = 1, sku = "tea", region = "none" } },
  { op = "delete", row = { id = 1, sku = "tea" }, expect = { delete = { id = 1 } } },
}

return M
