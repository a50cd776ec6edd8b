-- The loop over the events of a script that keeps state. Each event sees what the ones before it left, and its state is taken
-- over only once everything else about it is known to be right.
local ffi = require "ffi"
local context = require "streamlua.context"
local host = require "streamlua.host"
local json = require "streamlua.json"
local loop = require "streamlua.loop"
local native = require "streamlua.native"
local null = require("streamlua").null
local output = require "streamlua.output"
local row = require "streamlua.row"
local saved = require "streamlua.state"

local C, current = native.C, row.state
local NEVER = 0 / 0

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

-- What a key_by function returned, as the key of its state.
local function key_text(value)
  local kind = type(value)
  if kind ~= "number" and kind ~= "string" then
    error(("key_by returned %s: a number or a text is needed"):format(value == nil and "nil" or "a " .. kind), 0)
  end
  return "[" .. json.encode(value, null) .. "]"
end

local function set_keys(script, event)
  local key = key_text(script.key_by(row.new(current.generation, row.NEW), context))
  local old = key
  if event.op == native.UPDATE and event.old.shape ~= nil then
    old = key_text(script.key_by(row.new(current.generation, row.OLD), context))
  end
  if C.sl_state_keys(event, key, #key, old, #old) ~= 0 then
    fail()
  end
end

local function begin(event)
  current.event = event
  current.generation = current.generation + 1
  current.op = event.op
end

-- Before the events run, so that all rows they need are read at once. What fails here fails again when its event runs, and is told then.
local function keys(script, events, count)
  for i = 0, count - 1 do
    if events[i].op ~= native.TIMER then
      begin(events[i])
      pcall(set_keys, script, events[i])
    end
  end
end

local function main_entry(script, event)
  if event.uses == nil and type(script.key_by) == "function" then
    set_keys(script, event)
  end
  local entry = C.sl_state_main(event)
  if entry == nil then
    fail()
  end
  return entry
end

local function write_row(script, values)
  if not script.has_target then
    error("process returned a value, and the script names no target: return the row of a table that `target` names, or use ctx:emit", 0)
  elseif type(values) ~= "table" and not row.is_row(values) then
    error(("process returned a %s: a table of target columns is needed, or nil for no row"):format(type(values)), 0)
  end
  local change = output.write(script.target_id, values, native.CHANGE_UPSERT, native.DEFAULT)
  if script.owns then
    C.sl_disown(current.event, change)
  end
end

local opened -- the entry that the event at hand works on

local function process(script, event)
  local this = row.new(current.generation, row.NEW)
  if script.filter and not script.filter(this, context) then
    event.outcome = native.FILTERED
    return
  end
  local entry = main_entry(script, event)
  opened = entry
  local value = saved.open(entry)
  local made = script.process(this, value, context)
  if made ~= nil then
    write_row(script, made)
  end
  local text = saved.encode(value, "state")
  if C.sl_finish(event) ~= 0 then
    fail()
  end
  C.sl_state_put(event, entry, text, #text, nil, 0, NEVER, NEVER)
end

-- A fault names the key: the state that it met is that key's.
local function fault(reason)
  local event = current.event
  if opened ~= nil then
    saved.forget(opened)
    reason = ("%s\nkey %s"):format(reason, ffi.string(opened.key.p, opened.key.n))
  end
  C.sl_fault(event, reason, #reason)
end

local function new(script)
  return function(events, count)
    for i = 0, count - 1 do
      begin(events[i])
      opened = nil
      local ok, reason = xpcall(process, loop.traceback, script, events[i])
      if not ok then
        fault(reason)
      end
    end
  end
end

return { new = new, keys = keys }
