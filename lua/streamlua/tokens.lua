-- A script's text as words: enough to say on which line something stands, and what a table or a function in it names. Nothing is compiled:
-- texts that Lua refuses have words as well.

-- Behind the string that begins at `at`, and what is in it; nil: none begins there.
local function string_at(text, at)
  local quote = text:match("^[\"']", at)
  if quote then
    local stop = at + 1
    while stop <= #text and text:sub(stop, stop) ~= quote do
      stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
    end
    return stop + 1, text:sub(at + 1, stop - 1)
  end
  local level = text:match("^%[(=*)%[", at)
  if level then
    local first, stop = text:find("]" .. level .. "]", at, true)
    return (stop or #text) + 1, text:sub(at + 2 + #level, (first or #text + 1) - 1)
  end
end

local function comment_end(text, at)
  return text:find("^%[=*%[", at + 2) and string_at(text, at + 2) or (text:find("\n", at, true) or #text) + 1
end

-- Behind the token at `at`; its kind ("text", "name", or what it is itself) and its value.
local function token_at(text, at)
  local stop, value = string_at(text, at)
  if stop then
    return stop, "text", value
  end
  local name = text:match("^[%a_][%w_]*", at)
  if name then
    return at + #name, "name", name
  end
  local other = text:match("^%d[%w.]*", at) or text:match("^%.%.%.?", at) or text:match("^[=~<>]=", at) or text:match("^::", at) or text:sub(at, at)
  return at + #other, other, other
end

-- A list of { kind = "text", "name" or the token itself, value =, line =, at = its first byte, stop = behind its last }, without comments.
local function tokens(text)
  local list, at, line, counted = {}, 1, 1, 1
  while true do
    at = text:find("%S", at)
    if not at then
      return list
    elseif text:find("^%-%-", at) then
      at = comment_end(text, at)
    else
      local stop, kind, value = token_at(text, at)
      local _, breaks = text:sub(counted, at - 1):gsub("\n", "")
      line, counted = line + breaks, at
      list[#list + 1] = { kind = kind, value = value, line = line, at = at, stop = stop }
      at = stop
    end
  end
end

return tokens
