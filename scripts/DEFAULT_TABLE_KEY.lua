-- What names no table is kept, with where it stood in Kafka:
--   CREATE TABLE leftovers (topic VARCHAR(249), part INT, place BIGINT, at BIGINT, columns TEXT, PRIMARY KEY (topic, part, place))
local M = { target = "leftovers" }

function M.map(row, ctx)
  local columns = {}
  for name, value in pairs(row) do
    columns[name] = value
  end
  return { topic = ctx.topic, part = ctx.partition, place = ctx.offset, at = ctx.time, columns = columns } -- a table is written as JSON
end

M.examples = {
  { op = "insert", row = { b = "x", a = 1 }, expect = { columns = '{"a":1,"b":"x"}' } },
}

return M
