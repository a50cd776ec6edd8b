-- The loop over a batch of events, one function a script: the engine calls it once a batch and it pulls rows through FFI.
-- Each script's loop is a function prototype of its own, so that the JIT's traces of one script are not those of another.
local ffi = require "ffi"
local chain = require "streamlua.chain"
local chained = require "streamlua.chained"
local context = require "streamlua.context"
local host = require "streamlua.host"
local merged = require "streamlua.merged"
local native = require "streamlua.native"
local null = require("streamlua").null
local output = require "streamlua.output"
local row = require "streamlua.row"

local C, state = native.C, row.state
local watch = ffi.cast("struct script_watch *", host.watch)

-- What Lua itself says, without a place, and without calling any handler.
local NO_MEMORY = "not enough memory"

-- The traceback of a script's error: its own files only. (Where a script's last word calls one of sl's functions, no line of it is left.)
local function traceback(reason)
  local text = type(reason) == "string" and reason:gsub("^streamlua/[%w_]+:%d+: ", "") or ("error of type " .. type(reason))
  local lines = {}
  for line in debug.traceback("", 2):gmatch "[^\n]+" do
    if line:find "%.lua:%d+:" and not line:find("streamlua/", 1, true) then
      lines[#lines + 1] = line
    end
  end
  text = chained.placed(text)
  return (#lines > 0 and text .. "\n" .. table.concat(lines, "\n") or text) .. chain.way() .. chained.way()
end

-- The event had all the memory that there is: it is at fault.
local function no_memory()
  collectgarbage()
  C.sl_no_memory(host.pointer)
  return NO_MEMORY .. ': scripts have a quarter of job.lua\'s `memory`, and this one wanted more'
end

local function lane_key(event, script)
  local function key_of(which)
    local key = row.without_lookups(script.key_by, row.new(state.generation, which), context)
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

-- What stays in order is known of it all the same, where key_by says it: its lane is its key's.
local function fault(reason, script)
  local event = state.event
  if reason == NO_MEMORY then
    reason = no_memory()
  end
  C.sl_fault(event, reason, #reason)
  if script.key_by and not pcall(lane_key, event, script) then
    event.lane_hashes = 0
  end
end

-- What was left by other events may have filled the memory: without it the event is tried once more; and without the code that was compiled so far,
-- since what one of its traces does wrong it would do again.
local function make_room()
  chain.reset()
  jit.flush()
  collectgarbage()
end

local function again(reason)
  if reason ~= NO_MEMORY then
    return false
  end
  make_room()
  C.sl_again(state.event)
  return true
end

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

-- where says that the row does not match, after it looked at what the message does not have.
local function check_where(event)
  if row.is_part() and state.lacks and not event.row_matches then
    error("where asks for a column that the message, which has only a part of its row, does not have", 0)
  end
end

local made = ffi.new "struct change *[1]"

-- Copies are made by the engine; what is left are the columns that are functions.
local function apply(event, this, functions)
  if C.sl_apply(event, made) ~= 0 then
    fail()
  end
  local change = made[0]
  if change ~= nil then
    local part = row.is_part()
    for i = 1, #functions do
      local column = functions[i]
      if column.lookup then
        if C.sl_look_copy(event, change, column.index, column.lookup, column.of) ~= 0 then
          fail()
        end
      else
        state.lacks = false
        local value = column.call(this, context)
        if value ~= nil or not (part and state.lacks) then
          output.set(change, column.index, column.target, value)
        end
      end
    end
  end
end

-- What map leaves out of a part of a row keeps its value, where map looked for more than there was.
local function check_part(event)
  state.part = row.is_part() and state.lacks
  if state.part and row.has_null(event.row) then
    error("map makes whole rows, and this message has only a part of its row, with a NULL in it: which nil of map is that NULL, and which is to " ..
      "keep its value, cannot be told; use columns, or map with owns", 0)
  end
end

-- The row of before, where its key is another now: what map makes of it goes.
local function map_old(script)
  state.op = native.DELETE
  local values = script.map(row.new(state.generation, row.OLD), context)
  if values ~= nil then
    output.write(script.target_id, output.check(values), native.CHANGE_DELETE, native.ABSENT)
  end
end

-- Comes to what a script's map (or columns, where one of the key is a function) makes of the row; nil for no row. state.op is then what
-- is to be done with it.
local function map(event, script, this)
  local op = event.op
  if op == native.UPDATE then
    local changed = C.sl_key_changed(event)
    if changed == -2 then
      fail()
    elseif changed ~= 0 and event.old.shape ~= nil then
      map_old(script)
    end
  end
  if not event.row_matches then
    if op == native.INSERT then
      return nil
    end
    op = native.DELETE
  end
  state.op, state.lacks = op, false
  local values = script.map(this, context)
  if not script.owns then
    check_part(event)
  end
  return values ~= nil and output.check(values) or nil
end

-- put is called by the loop itself and not by step: the JIT goes on behind a call into C, but not out of the function that made it.
local TEMPLATE = [[
local script, state, watch, native, C, row_new, null, context, apply, map, check_where, lane_key, fault, again, traceback, put, fill_change,
  whole, xpcall, type = ...
local filter, where, functions, maps, key_by = script.filter, script.where, script.functions, script.map, script.key_by
local target_id, fill, owns = script.target_id, script.fill or native.DEFAULT, script.owns
local FILTERED, DELETE, NEW, UPSERT, ERASE, ABSENT = native.FILTERED, native.DELETE, 0, native.CHANGE_UPSERT, native.CHANGE_DELETE, native.ABSENT

local function step()
  local event = state.event
  local row = row_new(state.generation, NEW)
  if filter and not filter(row, context) then
    event.outcome = FILTERED
    return nil
  end
  if whole then
    if key_by then
      lane_key(event, script)
    end
    return whole(event)
  end
  if where and event.op ~= DELETE then
    state.lacks = false
    event.row_matches = where(row) and true or false
    if state.lacks then
      check_where(event)
    end
  end
  if key_by then
    lane_key(event, script)
  end
  if maps then
    return map(event, script, row)
  elseif functions then
    apply(event, row, functions)
  end
end

return function(events, count)
  for i = 0, count - 1 do
    watch.at = i
    local event = events[i]
    local message = event.message
    state.event = event
    state.generation = state.generation + 1
    state.op = event.op
    watch.owner, watch.position, watch.serial = message.owner, message.position, state.generation
    local ok, made = xpcall(step, traceback)
    if not ok and again(made) then
      ok, made = xpcall(step, traceback)
    end
    if not ok then
      fault(made, script)
    elseif made ~= nil then
      local erase = state.op == DELETE
      local change = C.sl_change(event, target_id, erase and ERASE or UPSERT, (erase or state.part) and ABSENT or fill)
      if type(made) ~= "table" or not put(made, null, erase) then
        ok, made = xpcall(fill_change, traceback, target_id, change, made, erase)
        if not ok then
          fault(made, script)
        end
      end
      if owns and ok and not erase then
        C.sl_disown(event, change)
      end
    elseif maps and event.changes == nil then
      event.outcome = FILTERED
    end
  end
  watch.serial = 0
end
]]

-- Read once: a job may have hundreds of scripts.
local BYTECODE = string.dump(assert(loadstring(TEMPLATE, "=streamlua/loop")))

-- script: as streamlua.script has it, with `functions` (columns that Lua computes, or nil), `map` (the script's own, or one made
-- of columns), `fill` (what a column that map leaves out becomes; DEFAULT), `target_id`, and `chained` (of streamlua.chain: all that is done
-- with an event)
local function new(script)
  local chunk = assert(loadstring(BYTECODE))
  return chunk(script, state, watch, native, C, row.new, null, context, apply, map, check_where, lane_key, fault, again, traceback, host.put,
    output.fill, script.chained or script.merges and merged.new(script) or false, xpcall, type)
end

return { new = new, lane_key = lane_key, traceback = traceback, watch = watch, make_room = make_room, NO_MEMORY = NO_MEMORY, no_memory = no_memory }
