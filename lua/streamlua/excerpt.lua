-- Parts of a script's text, found among its tokens: its functions, and what tables name.
local excerpt = {}

local OPENS = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

local function is_word(token, word)
  return token ~= nil and token.kind == "name" and token.value == word
end

-- The last token of the block that the i-th begins.
local function block_end(list, i)
  local depth = 0
  for k = i, #list do
    if list[k].kind == "name" then
      depth = depth + (OPENS[list[k].value] and 1 or CLOSES[list[k].value] and -1 or 0)
      if depth == 0 then
        return k
      end
    end
  end
end

-- The last token of what the i-th, a bracket, begins.
function excerpt.bracket_end(list, i)
  local depth = 0
  for k = i, #list do
    local kind = list[k].kind
    depth = depth + ((kind == "{" or kind == "(") and 1 or (kind == "}" or kind == ")") and -1 or 0)
    if depth == 0 then
      return k
    end
  end
end

-- The function that is a field of the script, as `M.filter = function(row)` or `function M.filter(row)`: { params = names, vararg =, first = the
-- first token of its body, last = its `end`, at = its first token }. line: the one on which it begins, by the compiler. nil: it is not found.
function excerpt.func(list, field, line)
  for i, token in ipairs(list) do
    local open
    if is_word(token, field) and list[i + 1] and list[i + 1].line == line then
      if list[i + 1].kind == "=" and is_word(list[i + 2], "function") then
        open = i + 3
      elseif list[i + 1].kind == "(" and list[i - 1] and (list[i - 1].kind == "." or is_word(list[i - 1], "function")) then
        open = i + 1
      end
    end
    if open and list[open] and list[open].kind == "(" then
      local found, at = { params = {} }, open
      while not is_word(list[at], "function") do
        at = at - 1
      end
      local close = excerpt.bracket_end(list, open)
      for k = open + 1, (close or open) - 1 do
        found.vararg = found.vararg or list[k].kind == "..."
        found.params[#found.params + 1] = list[k].kind == "name" and list[k].value or nil
      end
      found.at, found.first, found.last = at, (close or open) + 1, block_end(list, at)
      return found.last and found or nil
    end
  end
end

-- The names that a table gives values to, whose first token is the i-th, as a list of { name =, line = }; and whether these are all of them.
function excerpt.names(list, i)
  local names, whole = {}, true
  local last = excerpt.bracket_end(list, i)
  local depth, blocks = 0, 0
  for k = i, last or i - 1 do
    local token, after = list[k], list[k + 1]
    local kind = token.kind
    depth = depth + ((kind == "{" or kind == "(") and 1 or (kind == "}" or kind == ")") and -1 or 0)
    if kind == "name" then
      blocks = blocks + (OPENS[token.value] and 1 or CLOSES[token.value] and -1 or 0)
    end
    local first = list[k - 1] and (list[k - 1].kind == "," or list[k - 1].kind == ";" or k - 1 == i)
    if depth == 1 and blocks == 0 and first and kind ~= "}" then
      if kind == "name" and after.kind == "=" then
        names[#names + 1] = { name = token.value, line = token.line }
      elseif kind == "[" and after.kind == "text" and list[k + 2].kind == "]" then
        names[#names + 1] = { name = after.value, line = token.line }
      else
        whole = false
      end
    end
  end
  return names, whole and last ~= nil
end

-- The first tokens of tables that a function itself returns.
function excerpt.returned(list, func)
  local found, k = {}, func.first
  while k < func.last do
    if is_word(list[k], "function") then
      k = block_end(list, k) or func.last
    elseif is_word(list[k], "return") and list[k + 1].kind == "{" then
      found[#found + 1] = k + 1
    end
    k = k + 1
  end
  return found
end

-- Whether what a function says depends on its first parameter and on nothing that changes: it has no other, sets nothing, and asks no clock.
function excerpt.is_of_row_alone(list, func)
  if func.vararg or #func.params == 0 then
    return false
  end
  for k = func.first, func.last - 1 do
    local token, after = list[k], list[k + 1]
    if token.kind == "=" and not is_word(list[k - 2], "local") then
      return false
    elseif token.kind == "name" and list[k - 1].kind ~= "." then
      for n = 2, #func.params do
        if token.value == func.params[n] then
          return false
        end
      end
      if token.value == "os" or token.value == "print" or (token.value == "math" and after.kind == ".") then
        return false
      end
    end
  end
  return true
end

return excerpt
