-- Where a script's text says plainly which sink it writes to: ctx:emit("alerts:orders", row), or a constant in its place. What it makes up while
-- it runs is found then; this is for `check`.

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

-- ctx:emit( or ctx:delete( ends before `at`: its first argument, as { at =, value = or name = }.
local function argument(text, at)
  local stop, value = string_at(text, at)
  if not stop then
    local name = text:match("^([%a_][%w_]*)%s*,", at)
    return name and { at = at, name = name }
  elseif text:find("^%s*%.%.", stop) then -- the rest is made up: what stands before the colon is known all the same
    return { at = at, value = value .. "*" }
  end
  return { at = at, value = value }
end

local function scan(text)
  local found, constants, at = {}, {}, 1
  while at <= #text do
    local stop = string_at(text, at)
    local method, behind = text:match("^:%s*(%a+)%s*%(?%s*()", at)
    local name, from = text:match("^%f[%w_]local%s+([%a_][%w_]*)%s*=%s*()", at)
    if text:find("^%-%-", at) then
      at = comment_end(text, at)
    elseif stop then
      at = stop
    elseif method == "emit" or method == "delete" then
      found[#found + 1] = argument(text, behind)
      at = behind
    elseif name then
      local _, value = string_at(text, from)
      constants[name] = constants[name] == nil and value or false -- two of one name: nobody knows which
      at = from
    else
      at = at + (#(text:match("^[%w_]+", at) or " "))
    end
  end
  return found, constants
end

-- A list of { line =, name = "alerts:orders" }; of a name that is put together what is made up is "*".
local function literals(text)
  if not text:find "[\"'%[][%w_.-]+:" then -- of a thousand scripts, most have no such name
    return {}
  end
  local found, constants = scan(text)
  local list = {}
  for _, one in ipairs(found) do
    local name = one.value or constants[one.name]
    if name and name:find(":", 1, true) then
      local _, breaks = text:sub(1, one.at):gsub("\n", "")
      list[#list + 1] = { line = breaks + 1, name = name }
    end
  end
  return list
end

return literals
