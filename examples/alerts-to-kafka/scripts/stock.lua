-- How much there is of each item; and an alert when it falls below what there should be, once, until there is enough again.
local M = { key_by = { "item" }, target = "stock" }

function M.process(row, state, ctx)
  local low = row.pieces < row.least
  if low and not state.low then
    ctx:emit("alerts:low", { item = row.item, pieces = row.pieces, least = row.least })
  end
  state.low = low or nil                         -- an empty state is no row
  return { item = row.item, pieces = row.pieces }
end

M.examples = {
  { name = "one alert each time that it falls", steps = {
    { row = { item = "tea", pieces = 12, least = 10 }, expect = { item = "tea", pieces = 12 } },
    { row = { item = "tea", pieces = 9, least = 10 },
      expect = { { target = "alerts:low", row = { item = "tea", pieces = 9, least = 10 } }, { item = "tea", pieces = 9 } } },
    { restart = true },
    { row = { item = "tea", pieces = 7, least = 10 }, expect = { item = "tea", pieces = 7 } },
    { row = { item = "tea", pieces = 30, least = 10 }, expect = { item = "tea", pieces = 30 } },
    { row = { item = "tea", pieces = 1, least = 10 },
      expect = { { target = "alerts:low", row = { item = "tea", pieces = 1, least = 10 } }, { item = "tea", pieces = 1 } } },
  } },
}

return M
