-- Options as people write them: whether they are what they should be, and what they come to.
--
-- A checker is a function(value) -> what it comes to, or nil and what is needed instead ("a text is needed").
local nearest = require "streamlua.nearest"

local check = {}

-- "a number" and the like, for messages.
local function kind_of(value)
  local kind = type(value)
  if kind == "nil" then
    return "nothing"
  end
  return (kind:find "^[aeiou]" and "an " or "a ") .. (kind == "string" and "text" or kind)
end
check.kind_of = kind_of

local function needed(what, value)
  return nil, ("%s is needed, not %s"):format(what, kind_of(value))
end

-- Any text, also an empty one (a password).
function check.any_text(value)
  if type(value) ~= "string" then
    return needed("a text", value)
  elseif value:find("\0", 1, true) then -- it ends a text in C
    return nil, "a zero byte in it"
  end
  return value
end

function check.text(value)
  if value == "" then
    return nil, "an empty text"
  end
  return check.any_text(value)
end

function check.boolean(value)
  if type(value) ~= "boolean" then
    return needed("true or false", value)
  end
  return value
end

function check.func(value)
  if type(value) ~= "function" then
    return needed("a function", value)
  end
  return value
end

-- Numbers may come as text: sl.env gives nothing else.
function check.whole(least, most)
  return function(value)
    local number = type(value) == "string" and value:find "^%d+$" and tonumber(value) or value
    if type(number) ~= "number" then
      return needed("a number", value)
    elseif number ~= math.floor(number) or number < least or number > most then
      return nil, ("a whole number from %d to %.0f is needed, not %s"):format(least, most, tostring(value))
    end
    return number
  end
end

function check.choice(...)
  local list, known = { ... }, {}
  for _, name in ipairs(list) do
    known[name] = true
  end
  local what = "'" .. table.concat(list, "', '") .. "'"
  return function(value)
    if known[value] then
      return value
    elseif type(value) == "string" then
      return nil, ("'%s' is none of %s%s"):format(value, what, nearest.hint(value, list))
    end
    return needed("one of " .. what, value)
  end
end

local function is_list(value)
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  return count == #value
end
check.is_list = is_list

-- One text or a list of them; comes to a list without repeats allowed.
function check.texts(value)
  if type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" then
    return needed("a text or a list of texts", value)
  elseif not is_list(value) or #value == 0 then
    return nil, #value == 0 and next(value) == nil and "an empty list" or "a list of texts is needed, not a table with names"
  end
  local list, seen = {}, {}
  for i, item in ipairs(value) do
    local text, reason = check.text(item)
    if not text then
      return nil, ("item %d: %s"):format(i, reason)
    elseif seen[text] then
      return nil, ("'%s' is in it twice"):format(text)
    end
    list[i], seen[text] = text, true
  end
  return list
end

local MS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }

-- "10s" comes to milliseconds.
function check.duration(value)
  if type(value) == "string" then
    local count, unit = value:match "^(%d+)(%a+)$"
    if count and MS[unit] and #count <= 9 then
      return tonumber(count) * MS[unit]
    end
    return nil, ("'%s' is no duration: write 250ms, 10s, 5m, 2h or 7d"):format(value)
  end
  return needed('a duration such as "10s"', value)
end

local BYTES = { [""] = 1, b = 1, kb = 2 ^ 10, kib = 2 ^ 10, mb = 2 ^ 20, mib = 2 ^ 20, gb = 2 ^ 30, gib = 2 ^ 30 }

-- "256MB" comes to bytes.
function check.bytes(value)
  if type(value) == "string" then
    local count, unit = value:match "^(%d+)%s*(%a*)$"
    if count and BYTES[unit:lower()] and #count <= 15 then
      value = tonumber(count) * BYTES[unit:lower()]
    else
      return nil, ("'%s' is no size: write 64MB or 1GB"):format(value)
    end
  end
  return check.whole(1, 2 ^ 53)(value)
end

-- "job.lua:7: source.kafka: message"; where and what may be nil.
function check.fail(where, what, message, ...)
  error((where and where .. ": " or "") .. (what and what .. ": " or "") .. message:format(...), 0)
end

-- With two mistakes, always the same one first. Which options there are does not change, and there may be a thousand scripts.
local names_of = setmetatable({}, {
  __mode = "k",
  __index = function(all, known)
    local names = {}
    for name in pairs(known) do
      names[#names + 1] = name
    end
    table.sort(names)
    all[known] = names
    return names
  end,
})

-- Checks every option of a table; comes to a new one. known: name -> { checker, needed = true or why, default = }.
function check.options(where, what, given, known)
  if given == nil then
    given = {}
  elseif type(given) ~= "table" then
    check.fail(where, what, "a table of options is needed, not %s", kind_of(given))
  end

  local unknown = {}
  for name in pairs(given) do
    if not known[name] then
      unknown[#unknown + 1] = tostring(name)
    end
  end
  if #unknown > 0 then
    table.sort(unknown)
    check.fail(where, what, "unknown option '%s'%s", unknown[1], nearest.hint(unknown[1], known))
  end

  local result = {}
  for _, name in ipairs(names_of[known]) do
    local option, value = known[name], given[name]
    if value == nil then
      if option.needed then
        check.fail(where, what, "option '%s' is needed%s", name, type(option.needed) == "string" and ": " .. option.needed or "")
      end
      result[name] = option.default
    else
      local came_to, reason = option[1](value)
      if came_to == nil and reason then
        check.fail(where, what, "%s: %s", name, reason)
      end
      result[name] = came_to
    end
  end
  return result
end

return check
