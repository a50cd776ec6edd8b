-- Records whose header names no table are kept, with where they stood in Kafka.
local M = { target = "dw_unnamed" }

function M.map(row, ctx)
  return { topic = ctx.topic, part = ctx.partition, place = ctx.offset, record = row.record }
end

M.examples = {
  { op = "insert", row = { record = "anything" }, expect = { record = "anything" } },
}

return M
