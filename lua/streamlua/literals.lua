-- Where a script's text says plainly which target it writes to: ctx:emit("alerts:orders", row), or a constant in its place. What it makes up while
-- it runs is found then; this is for `check`.
local tokens = require "streamlua.tokens"

-- The first argument of ctx:emit or ctx:delete, which begins with the i-th token, as { line =, at = i, value = or name = }; nil: nothing is known
-- of it.
local function argument(list, i)
  local first, after = list[i], list[i + 1] and list[i + 1].kind
  if not first or (first.kind == "name" and after ~= ",") then
    return nil
  elseif first.kind == "name" then
    return { line = first.line, at = i, name = first.value }
  elseif first.kind == "text" then -- of a text that goes on, what stands before the colon is known all the same
    return { line = first.line, at = i, value = first.value .. (after == ".." and "*" or "") }
  end
end

local function scan(list)
  local found, constants = {}, {}
  for i, token in ipairs(list) do
    local next_one = list[i + 1]
    if token.kind == ":" and next_one and (next_one.value == "emit" or next_one.value == "delete") then
      found[#found + 1] = argument(list, i + (list[i + 2] and list[i + 2].kind == "(" and 3 or 2))
    elseif token.kind == "name" and token.value == "local" and list[i + 2] and list[i + 2].kind == "=" then
      local name, value = next_one.value, list[i + 3] and list[i + 3].kind == "text" and list[i + 3].value
      constants[name] = constants[name] == nil and value or false -- two of one name: nobody knows which
    end
  end
  return found, constants
end

-- list: a text's tokens. A list of { line =, name = "orders" or "alerts:orders", at = its token }; of a name that is put together what is made
-- up is "*".
local function targets(list)
  local found, constants = scan(list)
  local named = {}
  for _, one in ipairs(found) do
    local name = one.value or constants[one.name]
    if name then
      named[#named + 1] = { line = one.line, name = name, at = one.at }
    end
  end
  return named
end

-- Those of a text that name a sink or a stream.
local function sinks(text)
  local list = {}
  if text:find "[\"'%[][%w_.-]+:" then -- of a thousand scripts, most have no such name
    for _, one in ipairs(targets(tokens(text))) do
      list[#list + 1] = one.name:find(":", 1, true) and one or nil
    end
  end
  return list
end

return { sinks = sinks, targets = targets }
