-- ctx: what a script can know of the event beside its row, and what it can write beside its own row.
local ffi = require "ffi"
local nearest = require "streamlua.nearest"
local map = require "streamlua.map"
local native = require "streamlua.native"
local output = require "streamlua.output"
local row = require "streamlua.row"
local timer = require "streamlua.timer"

local state = row.state
local fired = timer.fired

local function text(slice)
  return slice.p ~= nil and ffi.string(slice.p, slice.n) or nil
end

local function time(ms)
  ms = tonumber(ms)
  return ms ~= 0 and ms or nil
end

local function key(event)
  local image = event.key
  if image.shape == nil then
    return nil
  end
  local values = {}
  for i = 0, image.shape.count - 1 do
    values[text(image.shape.columns[i].name)] = row.get(image, i)
  end
  return values
end

-- The last of several headers of one name, as Kafka's own clients have it.
local function headers(event)
  local values, message = {}, event.message
  for i = 0, tonumber(message.header_count) - 1 do
    values[text(message.headers[i].name)] = text(message.headers[i].value)
  end
  return values
end

-- Of a change, in its source's log.
local function source_place(event, name)
  if event.op == native.TIMER then
    return nil
  end
  native.C.sl_source_place(event)
  return event[name].n > 0 and text(event[name]) or nil
end

local FIELDS = {
  op = function() return native.OPS[state.op] end,
  old = function(event)
    if state.op == native.UPDATE and event.old.shape ~= nil then
      return row.new(state.generation, row.OLD)
    end
  end,
  database = function(event) return text(event.database) end,
  table = function(event) return text(event.table) end,
  time = function(event)
    if event.op == native.TIMER then
      return fired.at
    end
    return time(event.time_ms) or time(event.message.time_ms)
  end,
  timer_name = function(event) return event.op == native.TIMER and fired.name ~= "" and fired.name or nil end,
  key = function(event) return event.op == native.TIMER and fired.key or key(event) end,
  headers = headers,
  tx = function(event) return source_place(event, "tx") end,
  position = function(event) return source_place(event, "position") end,
  topic = function(event) return text(event.message.topic) end,
  partition = function(event) return event.message.partition end,
  offset = function(event) return event.op ~= native.TIMER and tonumber(event.message.offset) or nil end,
  now = function() return state.now end,
  watermark = function() return state.watermark == state.watermark and state.watermark or nil end, -- NaN: none yet
}

local METHODS = {
  emit = function(_, target, values)
    if type(target) ~= "string" or (type(values) ~= "table" and not row.is_row(values)) then
      error("ctx:emit(target, row): the name of a table and a table of its columns are needed", 2)
    end
    output.emit(target, values)
  end,
  delete = function(_, target, values)
    if type(target) ~= "string" or type(values) ~= "table" then
      error("ctx:delete(target, key): the name of a table and a table of its key columns are needed", 2)
    end
    output.delete(target, values)
  end,
  map = map.open,
  timer = timer.set,
  timer_in = timer.set_in,
  cancel = timer.cancel,
}

local function all_names()
  local names = {}
  for name in pairs(FIELDS) do names[name] = true end
  for name in pairs(METHODS) do names[name] = true end
  return names
end

-- A userdata, not a table: table.insert and its kin write past __newindex, and all scripts have the same ctx.
local ctx = newproxy(true)
local meta = getmetatable(ctx)

meta.__metatable = "protected"

function meta.__index(_, name)
  local field = FIELDS[name]
  if field then
    return field(state.event)
  elseif METHODS[name] then
    return METHODS[name]
  end
  error(("ctx has no '%s'%s"):format(tostring(name), nearest.hint(tostring(name), all_names())), 2)
end

function meta.__newindex(_, name)
  error(("ctx.%s is assigned: ctx is read-only"):format(tostring(name)), 2)
end

return ctx
