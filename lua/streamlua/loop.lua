-- The loop over a batch of events, one function a script: the engine calls it once a batch and it pulls rows through FFI.
-- Each script's loop is compiled from text of its own, so that the JIT's traces of one script are not those of another.
local ffi = require "ffi"
local context = require "streamlua.context"
local host = require "streamlua.host"
local native = require "streamlua.native"
local output = require "streamlua.output"
local row = require "streamlua.row"

local C, state = native.C, row.state

-- The traceback of a script's error: its own files only.
local function traceback(reason)
  local text = type(reason) == "string" and reason or ("error of type " .. type(reason))
  local lines = {}
  for line in debug.traceback("", 2):gmatch "[^\n]+" do
    if line:find "%.lua:%d+:" and not line:find("streamlua/", 1, true) then
      lines[#lines + 1] = line
    end
  end
  return #lines > 0 and text .. "\n" .. table.concat(lines, "\n") or text
end

local function fault(reason)
  C.sl_fault(state.event, reason, #reason)
end

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

local made = ffi.new "struct change *[1]"

-- Copies are made by the engine; what is left are the columns that are functions.
local function apply(event, this, functions)
  if C.sl_apply(event, made) ~= 0 then
    fail()
  end
  local change = made[0]
  if change ~= nil then
    for i = 1, #functions do
      local column = functions[i]
      output.set(change, column.index, column.target, column.call(this, context))
    end
  end
end

-- What a script's map (or columns, where one of the key is a function) makes of one image, as upserts or as deletes.
local function map_image(script, which, op)
  state.op = op
  local this = row.new(state.generation, which)
  local values = script.map(this, context)
  if values ~= nil then
    if type(values) ~= "table" and not row.is_row(values) then
      error(("map returned a %s: a table of target columns is needed, or nil for no row"):format(type(values)), 0)
    elseif op == native.DELETE then
      output.write(script.target_id, values, native.CHANGE_DELETE, native.ABSENT)
    else
      local change = output.write(script.target_id, values, native.CHANGE_UPSERT, script.fill or native.DEFAULT)
      if script.owns then
        C.sl_disown(state.event, change)
      end
    end
  end
end

local function map(event, script)
  local op = event.op
  if op == native.UPDATE then
    local changed = C.sl_key_changed(event)
    if changed == -2 then
      fail()
    elseif changed ~= 0 and event.old.shape ~= nil then
      map_image(script, row.OLD, native.DELETE)
    end
  end
  if not event.row_matches then
    if op ~= native.INSERT then
      map_image(script, row.NEW, native.DELETE)
    end
  else
    map_image(script, row.NEW, op)
  end
  if event.changes == nil then
    event.outcome = native.FILTERED
  end
end

local function lane_key(event, script)
  local function key_of(which)
    local key = script.key_by(row.new(state.generation, which), context)
    if type(key) ~= "number" and type(key) ~= "string" then
      error(("key_by returned %s: a number or a text is needed"):format(key == nil and "nil" or "a " .. type(key)), 0)
    end
    key = tostring(key)
    C.sl_lane_key(event, which, key, #key)
  end
  key_of(row.NEW)
  if event.op == native.UPDATE and event.old.shape ~= nil then
    key_of(row.OLD)
  end
end

local TEMPLATE = [[
local script, state, native, C, row_new, context, apply, map, lane_key, fault, traceback, xpcall = ...
local filter, where, functions, maps, key_by = script.filter, script.where, script.functions, script.map, script.key_by
local FILTERED, DELETE, NEW = native.FILTERED, native.DELETE, 0

local function step()
  local event = state.event
  local row = row_new(state.generation, NEW)
  if filter and not filter(row, context) then
    event.outcome = FILTERED
    return
  end
  if where and event.op ~= DELETE then
    event.row_matches = where(row) and true or false
  end
  if key_by then
    lane_key(event, script)
  end
  if maps then
    map(event, script)
  elseif functions then
    apply(event, row, functions)
  end
end

return function(events, count)
  for i = 0, count - 1 do
    state.event = events[i]
    state.generation = state.generation + 1
    state.op = state.event.op
    local ok, reason = xpcall(step, traceback)
    if not ok then
      fault(reason)
    end
  end
end
]]

-- script: as streamlua.script has it, with `functions` (columns that Lua computes, or nil), `map` (the script's own, or one made
-- of columns), `fill` (what a column that map leaves out becomes; DEFAULT) and `target_id`.
local function new(script)
  local chunk = assert(loadstring(TEMPLATE, "=streamlua/loop/" .. script.name))
  return chunk(script, state, native, C, row.new, context, apply, map, lane_key, fault, traceback, xpcall)
end

return { new = new, traceback = traceback }
