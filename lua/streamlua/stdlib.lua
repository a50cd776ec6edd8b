-- The standard library as scripts see it: copies, made for one chunk each, of the functions that can do no harm; those that
-- could are wrapped or missing.
--
-- Two things are hidden besides what reaches outside: addresses (tostring of a table, %p), which would differ from run to run
-- and so make the same message a different row; and metatables of values that are not tables, which all chunks share.

local ADDRESSED = { table = true, ["function"] = true, thread = true, userdata = true, cdata = true }

local raw_format, raw_find = string.format, string.find
local raw_getmetatable = debug.getmetatable

local function safe_tostring(...)
  local value = ...
  local kind = type(value)
  if not ADDRESSED[kind] then
    return tostring(...) -- also the complaint about a missing argument
  end
  local meta = raw_getmetatable(value)
  if kind == "cdata" then
    return (tostring(value):gsub("^(cdata<.*>): .*$", "%1"))
  elseif meta and rawget(meta, "__tostring") then
    return tostring(value)
  end
  return kind
end

local function format_values(format, ...)
  local values = { ... }
  for i = 1, select("#", ...) do
    if ADDRESSED[type(values[i])] then
      values[i] = safe_tostring(values[i])
    end
  end
  return raw_format(format, unpack(values, 1, select("#", ...)))
end

-- format -> whether it prints an address. Scripts have few formats, but could make them from data: forgotten when full.
local FORMATS_MOST = 1000
local addresses, addresses_count = {}, 0

local function has_address(format)
  local found = addresses[format]
  if found == nil then
    if addresses_count == FORMATS_MOST then
      addresses, addresses_count = {}, 0
    end
    found = raw_find((format:gsub("%%%%", "")), "%%[^%a]*p") ~= nil
    addresses[format], addresses_count = found, addresses_count + 1
  end
  return found
end

-- Called a lot, so it is quick where it has nothing to hide: plain find and select compile, patterns and unpack do not.
local function safe_format(format, ...)
  if type(format) == "string" and raw_find(format, "p", 1, true) and has_address(format) then
    error("string.format: %p (an address) is not available in scripts", 2)
  end
  for i = 1, select("#", ...) do
    if ADDRESSED[type((select(i, ...)))] then
      return format_values(format, ...)
    end
  end
  return raw_format(format, ...)
end

local function safe_getmetatable(value)
  if type(value) == "table" then
    return getmetatable(value)
  end
  return raw_getmetatable(value) and "protected" or nil
end

local function safe_rawset(object, key, value)
  if type(object) == "table" and getmetatable(object) == "protected" then
    error("rawset: this table is protected", 2)
  end
  return rawset(object, key, value)
end

local function index_iterator(object, i)
  i = i + 1
  local value = object[i]
  if value ~= nil then
    return i, value
  end
end

-- rows: the host's function for objects of its own (sandbox.lua).
local function new_pairs(rows)
  return function(object)
    local meta = raw_getmetatable(object)
    if not meta then
      return pairs(object)
    end
    if rows then
      local iterator, state, first = rows(object)
      if iterator then
        return iterator, state, first
      end
    end
    local own = type(object) == "table" and rawget(meta, "__pairs")
    if own then
      return own(object)
    end
    return pairs(object)
  end
end

-- A row has no numbered values, but asking is no error: a function that takes both lists and rows may find out this way.
local function safe_ipairs(object)
  if type(object) == "cdata" then
    return index_iterator, object, 0
  end
  return ipairs(object)
end

local function new_print(print_host, path)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do
      parts[i] = safe_tostring((select(i, ...)))
    end
    print_host(path .. ": " .. table.concat(parts, "\t"))
  end
end

local function copy(library, without)
  local fields = {}
  for name, value in pairs(library) do
    if not (without and without[name]) then
      fields[name] = value
    end
  end
  return fields
end

local function new_string()
  local fields = copy(string, { dump = true })
  fields.format = safe_format
  return fields
end

local OS_HINT = { getenv = ": use sl.env", clock = ": ctx.now is the time" }

local function new_os()
  return setmetatable({ date = os.date, time = os.time }, {
    __metatable = "protected",
    __index = function(_, name)
      error(("os.%s is not available in scripts%s"):format(tostring(name), OS_HINT[name] or ""), 2)
    end,
  })
end

-- What the engine interrupts a script with is no error that the script may catch. is_interrupted: nil where the engine never does.
local function new_catching(is_interrupted)
  if not is_interrupted then
    return pcall, xpcall, coroutine.resume
  end
  local function pass_on(ok, ...)
    if not ok and is_interrupted() then
      error((...), 0)
    end
    return ok, ...
  end
  return function(...)
    return pass_on(pcall(...))
  end, function(...)
    return pass_on(xpcall(...))
  end, function(...)
    return pass_on(coroutine.resume(...))
  end
end

-- Globals for one chunk, which may do with them what it likes.
local function new(options, path)
  local catching, catching_by, resume = new_catching(options.is_interrupted)
  local coroutines = copy(coroutine)
  coroutines.resume = resume
  return {
    assert = assert, error = error, next = next, pcall = catching, rawequal = rawequal, rawget = rawget, select = select,
    setmetatable = setmetatable, tonumber = tonumber, type = type, unpack = unpack, xpcall = catching_by,
    getmetatable = safe_getmetatable,
    ipairs = safe_ipairs,
    pairs = new_pairs(options.pairs),
    print = new_print(options.print or require "streamlua.host".print, path),
    rawset = safe_rawset,
    tostring = safe_tostring,
    bit = copy(bit),
    coroutine = coroutines,
    math = copy(math, { randomseed = true }), -- the generator is the VM's: nobody sets another's sequence
    os = new_os(),
    string = new_string(),
    table = copy(table),
  }
end

-- ("x"):dump() and every other method of a string go through the one metatable that all strings of a VM have. What it finds
-- there from now on is the safe set, in a table that no script can name.
local function close_string_methods()
  raw_getmetatable("").__index = new_string()
end

return { new = new, close_string_methods = close_string_methods }
