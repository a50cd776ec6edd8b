-- From Lua tables to changes: every value a script makes passes through here, once.
local ffi = require "ffi"
local host = require "streamlua.host"
local json = require "streamlua.json"
local native = require "streamlua.native"
local nearest = require "streamlua.nearest"
local null = require("streamlua").null
local row = require "streamlua.row"

local C, state = native.C, row.state
local UPSERT, DELETE, ABSENT, DEFAULT = native.CHANGE_UPSERT, native.CHANGE_DELETE, native.ABSENT, native.DEFAULT

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

local function set(change, column, name, value)
  local event, kind, failed = state.event, type(value), nil
  if kind == "number" then
    failed = C.sl_set_number(event, change, column, value)
  elseif kind == "string" then
    failed = C.sl_set(event, change, column, native.TEXT, value, #value)
  elseif value == nil or value == null then
    failed = C.sl_set(event, change, column, native.NULL, nil, 0)
  elseif kind == "boolean" then
    failed = C.sl_set(event, change, column, value and native.TRUE or native.FALSE, nil, 0)
  elseif kind == "table" then
    local text = json.encode(value, null)
    failed = C.sl_set(event, change, column, native.JSON, text, #text)
  else
    error(("column %s: a %s cannot be written"):format(name, kind), 0)
  end
  if failed ~= 0 then
    fail()
  end
end

local targets = {} -- name -> id
local columns = {} -- id -> name -> column

local function target_id(name)
  local id = targets[name]
  if not id then
    id = C.sl_target(host.pointer, name, #name)
    if id < 0 then
      fail()
    end
    targets[name] = id
  end
  return id
end

local function name_of(slice)
  return ffi.string(slice.p, slice.n)
end

local function known_names(id)
  local names = {}
  for i = 0, C.sl_target_count(host.pointer, id) - 1 do
    names[name_of(C.sl_target_column_name(host.pointer, id, i))] = true
  end
  return names
end

local function column_of(id, name)
  local known = columns[id]
  if not known then
    known = {}
    columns[id] = known
  end
  local column = known[name]
  if not column then
    local text = type(name) == "string" and name or error(("a row has the key %s: columns have names"):format(tostring(name)), 0)
    column = C.sl_target_column(host.pointer, id, text, #text)
    if column < 0 then
      error(("table %s has no column '%s'%s"):format(name_of(C.sl_target_name(host.pointer, id)), name, nearest.hint(name, known_names(id))), 0)
    end
    known[name] = column
  end
  return column
end

-- These values into a change. A delete takes only the key from them.
local function fill_change(id, change, values, keys_only)
  local iterator, first, start
  if type(values) == "cdata" then
    iterator, first, start = row.pairs(values)
  else
    iterator, first, start = pairs(values)
  end
  for name, value in iterator, first, start do
    local column = column_of(id, name)
    if not keys_only or C.sl_target_is_key(host.pointer, id, column) ~= 0 then
      set(change, column, name, value)
    end
  end
end

-- One change with these values. Of a row that others are added to, what is taken back is all that it had brought.
local function write(id, values, op, fill)
  local change, keys_only = C.sl_change(state.event, id, op, fill), op == DELETE and not C.sl_target_is_merged(host.pointer, id)
  if type(values) ~= "table" or not host.put(values, null, keys_only) then
    fill_change(id, change, values, keys_only)
  end
end

-- What a script's map returned.
local function check(values)
  if type(values) ~= "table" and not row.is_row(values) then
    error(("map returned a %s: a table of target columns is needed, or nil for no row"):format(type(values)), 0)
  end
  return values
end

-- A row whose key the database makes: each is a new one, and none can be taken back.
local function is_new_row(id, values)
  local column = C.sl_target_makes_key(host.pointer, id)
  return column >= 0 and values[name_of(C.sl_target_column_name(host.pointer, id, column))] == nil
end

local output

local streams = {} -- "stream:n" -> function(deleted, values), filled by streamlua.chain; false: no stream's name

-- While a delete is processed, what the script makes of the old row is taken back; but a log only grows, and what a stateful script
-- writes says itself what is to become of it.
local function emit(target, values)
  if streams[target] then
    return streams[target](false, values)
  end
  local id = target_id(target)
  if output.quiet then
    return
  elseif state.op == native.DELETE and not state.stateful and not is_new_row(id, values) then
    write(id, values, DELETE, ABSENT)
  else
    write(id, values, UPSERT, DEFAULT)
  end
end

local function delete(target, values)
  if streams[target] then
    return streams[target](true, values)
  end
  local id = target_id(target)
  if C.sl_target_is_merged(host.pointer, id) then
    error(("ctx:delete: rows of %s are added up (merge) from many, and none of these deletes one"):format(target), 0)
  end
  if not output.quiet then
    write(id, values, DELETE, ABSENT)
  end
end

output = {
  quiet = false, -- what a function writes beside its row counts for nothing: it says what the row was before
  set = set, write = write, check = check, fill = fill_change, emit = emit, delete = delete, target_id = target_id, column_of = column_of,
  known_names = known_names, streams = streams,
}

return output
