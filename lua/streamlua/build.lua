-- Events made from Lua tables: what an sl.format function returns, and the examples of scripts.
local ffi = require "ffi"
local host = require "streamlua.host"
local json = require "streamlua.json"
local native = require "streamlua.native"
local nearest = require "streamlua.nearest"
local null = require("streamlua").null

local C = native.C
local ROW, OLD, KEY = 0, 1, 2
local WHOLE, KEY_ONLY = 1, 3 -- enum image_state

local OPS = { insert = native.INSERT, update = native.UPDATE, delete = native.DELETE, snapshot = native.SNAPSHOT }
local FIELDS = { op = true, database = true, table = true, row = true, old = true, key = true, time = true }

local into -- the host that the event is for

local function add_column(name, value)
  local kind = type(value)
  if type(name) ~= "string" then
    error(("a row has the key %s: columns have names"):format(tostring(name)), 0)
  elseif kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then
      error(("column %s: %s is no value"):format(name, value ~= value and "NaN (not a number)" or "an infinite number"), 0)
    end
    C.sl_build_number(into, name, #name, value)
  elseif kind == "string" then
    C.sl_build_column(into, name, #name, native.TEXT, value, #value)
  elseif value == null then
    C.sl_build_column(into, name, #name, native.NULL, nil, 0)
  elseif kind == "boolean" then
    C.sl_build_column(into, name, #name, value and native.TRUE or native.FALSE, nil, 0)
  elseif kind == "table" then
    local text = json.encode(value, null)
    C.sl_build_column(into, name, #name, native.JSON, text, #text)
  else
    error(("column %s: a %s is no value"):format(name, kind), 0)
  end
end

local function finish(event, which, state)
  if C.sl_build_image(into, event, which, state) ~= 0 then
    error(ffi.string(C.sl_error(into)), 0)
  end
end

-- Columns in the order of their names: rows with the same columns are to have one shape, in whatever order a table keeps them.
local function add_image(event, which, values, state)
  local names = {}
  for name in pairs(values) do
    if type(name) ~= "string" then
      error(("a row has the key %s: columns have names"):format(tostring(name)), 0)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    add_column(name, values[name])
  end
  finish(event, which, state)
end

-- The key columns with the values the row had before: a list of names takes them from the images, a table has them itself.
local function add_key(event, made)
  local before = made.old or made.row
  if made.key[1] == nil then
    add_image(event, KEY, made.key, KEY_ONLY)
    return
  end
  for _, name in ipairs(made.key) do
    local value = before and before[name]
    if value == nil and made.row then
      value = made.row[name]
    end
    if value == nil then
      error(("key: the row has no column '%s'"):format(tostring(name)), 0)
    end
    add_column(name, value)
  end
  finish(event, KEY, KEY_ONLY)
end

local function check_text(made, name)
  local value = made[name]
  if value ~= nil and type(value) ~= "string" then
    error(("%s: a text is needed, not a %s"):format(name, type(value)), 0)
  end
end

local function check_table(made, name, needed)
  local value = made[name]
  if value == nil and not needed then
    return
  elseif type(value) ~= "table" then
    error(("%s: a table is needed, not %s"):format(name, type(value)), 0)
  end
end

-- One image of a row of a stream, which is always whole; values may have `null`.
local function image(event, which, values)
  into = host.pointer
  add_image(event, which, values, WHOLE)
end

-- made: { op=, database=, table=, row=, old=, key=, time= }. pointer: the host where it runs, if that is not this one.
local function event(message, made, pointer)
  into = pointer or host.pointer
  if type(made) ~= "table" then
    error(("an event is a table, not a %s"):format(type(made)), 0)
  end
  for name in pairs(made) do
    if not FIELDS[name] then
      error(("an event has no '%s'%s"):format(tostring(name), nearest.hint(tostring(name), FIELDS)), 0)
    end
  end
  local op = OPS[made.op or "insert"]
  if not op then
    error(("op: '%s' is none of insert, update, delete, snapshot%s"):format(tostring(made.op), nearest.hint(tostring(made.op), OPS)), 0)
  end
  check_text(made, "database")
  check_text(made, "table")
  check_table(made, "old")
  check_table(made, "key")
  if op == native.DELETE and made.row == nil then
    made.row = made.old or made.key
  end
  check_table(made, "row", true)

  local built = C.sl_build_event(into, message, op)
  local database, of = made.database, made.table
  C.sl_build_names(into, built, database, database and #database or 0, of, of and #of or 0)
  if type(made.time) == "number" then
    built.time_ms = made.time
  end
  add_image(built, ROW, made.row, WHOLE)
  if made.old then
    add_image(built, OLD, made.old, WHOLE)
  end
  if made.key then
    add_key(built, made)
  end
  return built
end

-- What look-ups of a script (its number, from 0) have for an event: { customer = { name = "Ada" } }, false for no such row.
local function given(built, script, rows, pointer)
  into = pointer or host.pointer
  check_table({ lookup = rows }, "lookup", true)
  for name, values in pairs(rows) do
    if values ~= false and type(values) ~= "table" then
      error(("lookup: %s: a row is needed, or false for none"):format(tostring(name)), 0)
    end
    for column, value in pairs(values or {}) do
      add_column(column, value)
    end
    if C.sl_look_given(into, built, script, tostring(name), #tostring(name), values and true or false) ~= 0 then
      error(ffi.string(C.sl_error(into)), 0)
    end
  end
end

-- A value by itself, behind those before it.
local function value(pointer, name, of)
  into = pointer
  add_column(name, of)
end

return { event = event, image = image, ROW = ROW, OLD = OLD, given = given, value = value }
