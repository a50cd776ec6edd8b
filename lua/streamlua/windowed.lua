-- An event of a script with a window, and the windows that close. What windows are, and what the built-in aggregates keep, is the engine's
-- (core/flow/window.c); what add, sub, merge and result of a script make is made here.
local check = require "streamlua.check"
local chain = require "streamlua.chain"
local context = require "streamlua.context"
local ffi = require "ffi"
local keyed = require "streamlua.keyed"
local native = require "streamlua.native"
local null = require("streamlua").null
local output = require "streamlua.output"
local row = require "streamlua.row"
local saved = require "streamlua.state"
local time = require "streamlua.time"

local C, current = native.C, row.state
local NEVER = keyed.NEVER
local view = ffi.new "struct sl_pane"

local function check_done(result)
  if result < 0 then
    keyed.fail()
  end
  return result
end

-- What an older version of the script kept, as this one has it.
local function open(script, event, entry)
  saved.refuse_newer(event, entry, script.version)
  if entry.version < script.version and entry.value.n > 0 and not C.sl_window_is_open(entry) then
    local panes = saved.decode(ffi.string(entry.value.p, entry.value.n))
    for _, pane in pairs(panes) do
      pane.a = script.upgrades(pane.a, entry.version)
    end
    local text = saved.encode(panes, "the window")
    check_done(C.sl_window_open(event, entry, text, #text))
  end
end

-- ---- what the script accumulates itself ----

local function made_of(pane)
  return pane.made.n > 0 and saved.decode(ffi.string(pane.made.p, pane.made.n)) or {}
end

-- Milliseconds as a time of a database; without a fraction where there is none.
local function text_of(ms)
  return (time.format(ms):gsub("%.000$", ""))
end

local function key_values(script, this)
  local values = {}
  for _, name in ipairs(script.key_by) do
    local value = this[name]
    values[name] = value == nil and null or value
  end
  return values
end

-- The names of a result as columns of the target.
local function to_columns(script, values)
  if not script.columns then
    return values
  end
  local made = {}
  for _, column in ipairs(script.columns) do
    local value = values[column.source]
    if value == nil and column.source ~= "window_start" then
      value = null
    end
    made[column.target] = value
  end
  return made
end

-- acc: nil where the row is none any more.
local function write(script, key, start, finish, acc)
  local values = { window_start = text_of(start), window_end = text_of(finish) }
  if acc then
    local result = script.result and script.result(acc, { start = start, finish = finish }) or acc
    if type(result) ~= "table" then
      error(("result returned %s: a table of columns is needed"):format(check.kind_of(result)), 0)
    end
    for name, value in pairs(result) do
      values[name] = value
    end
  end
  for name, value in pairs(key) do
    values[name] = value
  end
  output.write(script.target_id, to_columns(script, values), acc and native.CHANGE_UPSERT or native.CHANGE_DELETE,
    acc and native.DEFAULT or native.ABSENT)
end

-- What add, sub or merge made of an accumulator: another one, or the same where it returned nothing.
local function accumulated(script, name, acc, other)
  local value = script[name](acc, other)
  if value == nil then
    return acc
  elseif type(value) ~= "table" then
    error(("%s returned %s: an accumulator is a table"):format(name, check.kind_of(value)), 0)
  end
  return value
end

local function merged(script, event)
  local acc, i = {}, 0
  while C.sl_window_merged(event, i, view) ~= 0 do
    local other = made_of(view)
    acc = next(acc) == nil and other or accumulated(script, "merge", acc, other)
    i = i + 1
  end
  return acc
end

local function take(script, event, this, count, sign)
  for i = 0, count - 1 do
    C.sl_window_pane(event, i, view)
    local acc = script.window.gap and merged(script, event) or made_of(view)
    local text = saved.encode_value(accumulated(script, sign > 0 and "add" or "sub", acc, this), "the window")
    C.sl_window_made(event, i, text, #text)
  end
end

local function write_changes(script, event, this, count)
  local key = key_values(script, this)
  for i = 0, script.emit ~= "final" and count - 1 or -1 do
    C.sl_window_pane(event, i, view)
    write(script, key, view.start, view.finish, view.n > 0 and made_of(view) or nil)
  end
  local i = 0
  while C.sl_window_merged(event, i, view) ~= 0 do
    if view.written then
      write(script, key, view.start, view.start)
    end
    i = i + 1
  end
end

local function write_due(script, event, count)
  local key = keyed.key_of(script, event.uses.entry, null)
  for i = 0, count - 1 do
    C.sl_window_pane(event, i, view)
    if view.n > 0 or view.written then
      write(script, key, view.start, view.finish, view.n > 0 and made_of(view) or nil)
    end
  end
end

-- ---- aggregates of what a function makes of a row ----

-- Those of a script, by their places in its list (from 0), or nil.
local function calls_of(script)
  local calls
  for i, one in ipairs(script.aggregates or {}) do
    if one.aggregate.call then
      calls = calls or {}
      calls[#calls + 1] = { place = i - 1, call = one.aggregate.call, name = one.aggregate.name }
    end
  end
  return calls
end

local function give(event, calls, this, at, sign)
  for i = 1, #calls do
    local one = calls[i]
    local value = one.call(this)
    local kind = type(value)
    if kind == "number" then
      check_done(C.sl_window_give_number(event, one.place, at, sign, value))
    elseif kind == "string" then
      check_done(C.sl_window_give(event, one.place, at, sign, native.TEXT, value, #value))
    elseif kind == "boolean" then
      check_done(C.sl_window_give(event, one.place, at, sign, value and native.TRUE or native.FALSE, nil, 0))
    elseif value ~= nil and value ~= null then
      error(("%s: its function returned a %s: a number or a text is needed"):format(one.name, kind), 0)
    end
  end
end

-- ---- events ----

local function time_of(script, event, this, old)
  return keyed.event_time(script, event, this, old) or error("this event has no time: name its column, as in time = \"created_at\"", 0)
end

-- One image of the event, of this time, into its panes (sign 1), or out of them (-1).
local function count(script, event, entry, old, at, sign)
  open(script, event, entry)
  local taken = check_done(C.sl_window_take(event, entry, old, at, current.watermark, keyed.others(script, event), sign))
  if taken == 0 then
    C.sl_count_late(event, false)
    if script.late then
      script.late(row.new(current.generation, old and row.OLD or row.NEW), context)
    end
    return
  end
  if script.add then
    local this = row.new(current.generation, old and row.OLD or row.NEW)
    take(script, event, this, taken, sign)
    write_changes(script, event, this, taken)
    return
  elseif script.calls then
    give(event, script.calls, row.new(current.generation, old and row.OLD or row.NEW), at, sign)
  end
  check_done(C.sl_window_write(event, entry, old))
end

local function aggregate(script, event)
  local this = row.new(current.generation, row.NEW)
  if script.filter and not script.filter(this, context) then
    event.outcome = native.FILTERED
    return
  end
  local entry = keyed.main_entry(script, event)
  local old = entry
  keyed.opened = entry
  local at = time_of(script, event, this)
  local before = keyed.clock(script, event, at)
  current.watermark = before and before - script.out_of_order or NEVER
  if event.op == native.UPDATE then
    if event.old.shape == nil then
      error("an update without its old values cannot be taken back from its window", 0)
    end
    local used = event.uses.next
    if used ~= nil and used.old then
      old = used.entry
    end
    count(script, event, old, true, time_of(script, event, row.new(current.generation, row.OLD), true), -1)
    count(script, event, entry, false, at, 1)
  else
    count(script, event, entry, false, at, event.op == native.DELETE and -1 or 1)
  end
  if script.to_stream then
    chain.pass_on(script)
  end
  check_done(C.sl_window_put(event, entry, old))
end

-- Windows are due: "final" ones are written, once; then they are forgotten. At the end of the input those that the watermark has not passed are
-- written too, and kept: where a later run goes on with them, their rows are written again with all that they have by then.
local function fire(script, event)
  local entry = event.uses.entry
  keyed.opened = entry
  open(script, event, entry)
  local due = check_done(C.sl_window_fire(event, entry))
  current.watermark = keyed.watermark(script, event) or NEVER
  if script.add then
    write_due(script, event, due)
  else
    check_done(C.sl_window_write(event, entry, false))
  end
  if script.to_stream then
    chain.pass_on(script)
  end
  check_done(C.sl_window_put(event, entry, entry))
end

-- Before the first event.
local function prepare(script)
  script.calls = calls_of(script)
end

return { prepare = prepare, run = aggregate, fire = fire }
