-- Rows as scripts see them: a few bytes that say which image of which event, and columns that become Lua values when
-- they are asked for. A row is good for its own event only; kept longer, it says so instead of showing another's values.
local ffi = require "ffi"
local host = require "streamlua.host"
local native = require "streamlua.native"
local nearest = require "streamlua.nearest"

local C, NUMBER, TRUE, FALSE, TEXT = native.C, native.NUMBER, native.TRUE, native.FALSE, native.TEXT
local DOUBLE, BITS, BIT_NUMBER = native.DOUBLE, native.BITS, native.BIT_NUMBER
local ffi_string = ffi.string

-- What the engine works on. One for the VM: scripts run one event at a time. lacks: since that was cleared, a script asked for a column that
-- the message does not have. part: what is being written is a part of a row.
ffi.cdef "struct sl_state { struct event *event; uint32_t generation; int32_t op; double now, others, watermark; bool stateful, lacks, part; };"
local state = ffi.new "struct sl_state"

-- The fields of a row's struct could be read by name like columns, so nobody is to know their names.
local GENERATION, WHICH = "g" .. host.secret(), "w" .. host.secret()
local NEW, OLD = 0, 1

local columns_of = {} -- by shape: name -> index

local function add_shape(shape)
  local exact, folded = {}, {}
  for i = tonumber(shape.count) - 1, 0, -1 do
    local column = shape.columns[i].name
    local name = ffi_string(column.p, column.n)
    exact[name], folded[name:lower()] = i, i
  end
  columns_of[shape.id] = setmetatable(exact, {
    __index = function(_, name)
      return type(name) == "string" and folded[name:lower()] or nil
    end,
  })
  return exact
end

local number = ffi.new "double[1]"

local function to_lua(value)
  local kind = value.kind
  if kind == NUMBER then
    if C.sl_number(value, number) ~= 0 then
      return number[0]
    end
    return ffi_string(value.p, value.n)
  elseif kind >= TEXT and kind < native.DEFAULT then
    return ffi_string(value.p, value.n)
  elseif kind == TRUE then
    return true
  elseif kind == FALSE then
    return false
  end
  state.lacks = state.lacks or kind == native.ABSENT
  return nil
end

local function read(image, column)
  local value = image.values + column
  if not value.ready and C.sl_read(state.event, image, column) ~= 0 then
    error(ffi_string(C.sl_error(host.pointer)), 0)
  end
  return value
end

local function image_of(row)
  if row[GENERATION] ~= state.generation then
    error("this row is of an earlier event: keep its values (local id = row.id), not the row", 3)
  end
  if row[WHICH] == NEW then
    return state.event.row
  end
  return state.event.old
end

local bits = ffi.new "char[8]"

-- Here and in index, calls whose values are returned stand in parentheses: LuaJIT gives up a trace of more than 15 tail calls, and a script
-- that reads eight columns would run interpreted.

-- A column as scripts see it. Bit strings are numbers everywhere but in scripts: there they are the bytes that MySQL shows.
local function get(image, column)
  local value = read(image, column)
  if value.kind == NUMBER then
    local reading = image.readings ~= nil and image.readings[column] or image.shape.columns[column].declared
    local meaning = reading.meaning
    if meaning == DOUBLE then
      return (C.sl_nearest(value))
    elseif meaning == BITS or meaning == BIT_NUMBER then
      local n = C.sl_bits(value, reading, bits)
      if n > 0 then
        return (ffi_string(bits, n))
      end
    end
  end
  return (to_lua(value))
end

local function find(image, name)
  local shape = image.shape
  if shape == nil then
    return nil
  end
  return (columns_of[shape.id] or add_shape(shape))[name]
end

-- ---- look-ups ----

-- Of the script at hand: by name and by number, { i = number, columns = { name -> number }, name =, count = of all }.
local NONE = {}
local lookups, numbered = NONE, NONE
local indexed = setmetatable({}, { __mode = "k" }) -- by what streamlua.lookup made

local function index_lookups(list)
  local made = { named = {}, numbered = {} }
  for i, one in ipairs(list) do
    local columns = {}
    for n, name in ipairs(one.columns) do
      columns[name] = n - 1
    end
    made.numbered[i - 1] = { i = i - 1, columns = columns, name = one.name, count = #list }
    made.named[one.name] = made.numbered[i - 1]
  end
  return made
end

-- The events that come are of a script with these look-ups; list: of streamlua.lookup, or nil.
local function look(list)
  if not list then
    lookups, numbered = NONE, NONE
    return
  end
  indexed[list] = indexed[list] or index_lookups(list)
  lookups, numbered = indexed[list].named, indexed[list].numbered
end

local refused = false

-- fn(...), which must not look anything up: key_by chooses where an event goes, and what is looked up may be another row in a moment.
local function without_lookups(fn, ...)
  if lookups == NONE then
    return fn(...)
  end
  refused = true
  local ok, value = pcall(fn, ...)
  refused = false
  if not ok then
    error(value, 0)
  end
  return value
end

local ABSENT_KEY, FAULTY_KEY = 1, 2 -- enum lookup_lack

-- The values of its row; nil where there is none.
local function looked_values(which, lookup)
  if refused then
    error(("row.%s: key_by sees no look-ups"):format(lookup.name), 0)
  end
  local entry = state.event.looked[which * lookup.count + lookup.i]
  if entry.lacks == ABSENT_KEY then
    state.lacks = true
  elseif entry.lacks == FAULTY_KEY then
    error(("row.%s: the columns of its key cannot be read"):format(lookup.name), 0)
  end
  return entry.values
end

local NUMBERED = "l" .. host.secret()

-- row.customer: as the row it is of, it is good for its event only.
local Looked = ffi.metatype(ffi.typeof(("struct { uint32_t %s, %s, %s; }"):format(GENERATION, WHICH, NUMBERED)), {
  __index = function(this, name)
    if this[GENERATION] ~= state.generation then
      error("this is of the row of an earlier event: keep its values (local name = row.customer.name), not the row", 2)
    end
    local lookup = numbered[this[NUMBERED]]
    local column = lookup.columns[name]
    if not column then
      error(("row.%s: look-up %s has no column '%s'%s"):format(lookup.name, lookup.name, tostring(name),
        nearest.hint(tostring(name), lookup.columns)), 2)
    end
    local values = looked_values(this[WHICH], lookup)
    if values == nil then
      return nil
    end
    return (to_lua(values + column))
  end,
  __newindex = function(_, name)
    error(("%s is assigned: rows are read-only"):format(tostring(name)), 2)
  end,
})

local inner = ffi.new "struct value[1]"

-- row["a.b"]: what lies within a column that holds a JSON object. nil where nothing does.
local function within(image, name)
  if type(name) == "string" and name:find(".", 2, true) and C.sl_path(state.event, image, name, #name, inner) ~= 0 then
    return inner[0]
  end
end

local is_row

-- What a script calls with what it likes: anything else would be asked for fields whose names nobody is to know.
local function check_row(value)
  if not is_row(value) then
    error("this is a row's: row:has(name), pairs(row)", 3)
  end
end

local function has(row, name)
  check_row(row)
  local image = image_of(row)
  local lookup = lookups[name]
  if lookup then
    return looked_values(row[WHICH], lookup) ~= nil
  end
  local column = find(image, name)
  if column == nil then
    return within(image, name) ~= nil
  end
  return image.values[column].kind ~= native.ABSENT
end

local function index(row, name)
  local image = image_of(row)
  if lookups ~= NONE then
    local lookup = lookups[name]
    if lookup then
      return (Looked(row[GENERATION], row[WHICH], lookup.i))
    end
  end
  local column = find(image, name)
  if column then
    return (get(image, column))
  elseif name == "has" then
    return has
  end
  local value = within(image, name)
  state.lacks = state.lacks or value == nil
  return value and to_lua(value)
end

-- Only a part of the row is in the message: what a function does not find there may be in the target.
local function is_part()
  return state.event.op == native.UPDATE and state.event.row.state == native.PARTIAL
end

local function has_null(image)
  for i = 0, tonumber(image.shape.count) - 1 do
    if image.values[i].kind == native.NULL then
      return true
    end
  end
  return false
end

-- name, value in the order of the message; NULLs are left out, as in any Lua table.
local function next_column(row, name)
  check_row(row)
  local image = image_of(row)
  if image.shape == nil then
    return nil
  end
  local i = name == nil and 0 or (find(image, name) or error("pairs(row): there is no such column", 2)) + 1
  while i < image.shape.count do
    local value = get(image, i)
    if value ~= nil then
      local column = image.shape.columns[i].name
      return ffi_string(column.p, column.n), value
    end
    i = i + 1
  end
end

local Row = ffi.metatype(ffi.typeof(("struct { uint32_t %s, %s; }"):format(GENERATION, WHICH)), {
  __index = index,
  __newindex = function(_, name)
    error(("row.%s is assigned: rows are read-only; give new values in columns or map"):format(tostring(name)), 2)
  end,
  __tostring = function(row)
    local parts = {}
    for name, value in next_column, row do
      parts[#parts + 1] = name .. "=" .. tostring(value)
    end
    return "row { " .. table.concat(parts, ", ") .. " }"
  end,
})

function is_row(value)
  return type(value) == "cdata" and ffi.istype(Row, value)
end

-- All columns that the message has, NULLs as `null`.
local function to_table(this, null)
  local image, values = image_of(this), {}
  for i = 0, image.shape ~= nil and tonumber(image.shape.count) - 1 or -1 do
    local column = image.shape.columns[i].name
    local value = get(image, i)
    if image.values[i].kind ~= native.ABSENT then
      values[ffi_string(column.p, column.n)] = value == nil and null or value
    end
  end
  return values
end

return {
  state = state,
  NEW = NEW, OLD = OLD,
  new = Row,
  is_row = is_row,
  is_part = is_part,
  has_null = has_null,
  look = look, without_lookups = without_lookups,
  get = get,
  to_table = to_table,
  to_lua = to_lua,
  -- For the closed environment's pairs.
  pairs = function(value)
    if is_row(value) then
      return next_column, value, nil
    end
  end,
}
