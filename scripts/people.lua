local M = {}
function M.map(row, ctx)
  if row.name == "boom" then error("no " .. row.nope) end
  if row.name == "split" then ctx:emit("people_audit", { id = row.id, op = ctx.op }) end
  return { id = row.id, name = row.name, op = ctx.op, at = ctx.time, old = ctx.old and ctx.old.name }
end
return M
