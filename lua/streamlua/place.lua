-- Where a script says something: "scripts/orders.lua:4" for a message about one of its fields.
local tokens = require "streamlua.tokens"

-- The token that gives a field its value, from the i-th on: `columns = ...`, `M.columns = ...`, `["columns"] = ...`, `function M.columns(`.
local function assigned(list, field, from)
  for i = from or 1, #list do
    local token, after, before = list[i], list[i + 1], list[i - 1]
    if token.value == field and (token.kind == "name" or token.kind == "text") and after then
      local closed = after.kind == "]" and list[i + 2] or after
      if closed.kind == "=" or (after.kind == "(" and before and (before.kind == "." or before.value == "function")) then
        return i
      end
    end
  end
end

-- The token that begins the n-th item of the list that a field is, as in examples = { {}, {} }.
local function item(list, at, n)
  local depth, count = 0, 0
  for i = at + 2, #list do
    local kind = list[i].kind
    if depth == 1 and kind == "{" then
      count = count + 1
      if count == n then
        return i
      end
    end
    depth = depth + (kind == "{" and 1 or kind == "}" and -1 or 0)
    if depth == 0 then
      return nil
    end
  end
end

-- The line on which a script's text gives `field` its value, or within that names `word` (a text, or the number of an item); nil: it says so in
-- other words.
local function line(text, field, word)
  local list = tokens(text)
  local at = assigned(list, field)
  if not at then
    return nil
  end
  local found = at
  if type(word) == "number" then
    found = item(list, at, word) or at
  elseif word then
    for i = at + 1, #list do
      if list[i].value == word and (list[i].kind == "name" or list[i].kind == "text") then
        found = i
        break
      end
    end
  end
  return list[found].line
end

-- "scripts/orders.lua: columns: amount: ..." with its line, where its words tell of what it is: "scripts/orders.lua:4: columns: ...".
local function told(message, path, text)
  local rest = message:sub(1, #path + 2) == path .. ": " and message:sub(#path + 3)
  local field = rest and (rest:match "^unknown field '([%w_]+)'" or rest:match "^([%l_]+): ")
  if not field then
    return message
  end
  local within = rest:sub(#field + 3)
  local word = field == "examples" and tonumber(within:match "^example (%d+)") or within:match "^([%w_]+): " or within:match "^'([^']+)'"
  local at = line(text, field, word)
  return at and ("%s:%d: %s"):format(path, at, rest) or message
end

return { assigned = assigned, line = line, told = told }
