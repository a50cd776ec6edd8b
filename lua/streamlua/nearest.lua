-- The known name that somebody most likely meant, for "did you mean".

-- Edits between two words (insert, delete, replace, swap of neighbours), case aside.
local function distance(a, b)
  local before, row, row_before = {}, {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    before, row_before, row = row_before, row, before
    row[0] = i
    for j = 1, #b do
      local replaced = row_before[j - 1] + (a:byte(i) == b:byte(j) and 0 or 1)
      row[j] = math.min(row_before[j] + 1, row[j - 1] + 1, replaced)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
  end
  return row[#b]
end

local MOST_COMPARED = 64 -- a longer name is no typing error, and the work grows with its square

-- names: a list, or a table whose keys are the names. nil where nothing is near: a far guess misleads.
local function nearest(name, names)
  if type(name) ~= "string" or #name > MOST_COMPARED then
    return nil
  end
  local list = {}
  for key, value in pairs(names) do
    list[#list + 1] = type(key) == "string" and key or value
  end
  table.sort(list) -- the same guess every time where two are equally near

  local best, best_distance
  for _, candidate in ipairs(list) do
    local edits = distance(name:lower(), candidate:lower())
    -- One wrong letter in three; a word of two letters is like too many others.
    local most = math.floor(math.max(#name, #candidate) / 3)
    if edits <= most and (not best or edits < best_distance) then
      best, best_distance = candidate, edits
    end
  end
  return best
end

return {
  distance = distance,
  find = nearest,
  -- ": did you mean 'x'?" to put behind a message, or "".
  hint = function(name, names)
    local found = nearest(name, names)
    return found and (": did you mean '%s'?"):format(found) or ""
  end,
}
