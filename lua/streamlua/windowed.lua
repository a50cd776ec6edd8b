-- An event of a script with a window, and the windows that close.
local context = require "streamlua.context"
local ffi = require "ffi"
local keyed = require "streamlua.keyed"
local native = require "streamlua.native"
local null = require("streamlua").null
local output = require "streamlua.output"
local row = require "streamlua.row"
local window = require "streamlua.window"

local C, current = native.C, row.state
local NEVER = keyed.NEVER

local touched, gone = {}, {} -- starts of panes that the event changed, and of sessions that begin somewhere else now

local function change(pane, start)
  touched[start] = pane
end

local function leave(start)
  gone[#gone + 1] = start
end

local function key_values(script, this)
  local values = {}
  for i = 1, #script.key_by do
    local value = this[script.key_by[i]]
    values[script.key_by[i]] = value == nil and null or value
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

-- A fault: nothing of it is to be written.
local function forget()
  for start in pairs(touched) do
    touched[start] = nil
  end
  for i = #gone, 1, -1 do
    gone[i] = nil
  end
end

local function write_pane(script, key, pane, start)
  local values = window.result(script, pane, start)
  for name, value in pairs(key) do
    values[name] = value
  end
  local erase = pane.n == 0
  output.write(script.target_id, to_columns(script, values), erase and native.CHANGE_DELETE or native.CHANGE_UPSERT,
    erase and native.ABSENT or native.DEFAULT)
end

-- The row of a window that is none any more.
local function erase(script, key, start)
  local values = {}
  for name, value in pairs(key) do
    values[name] = value
  end
  values.window_start = window.text_of(start)
  values.window_end = values.window_start
  output.write(script.target_id, to_columns(script, values), native.CHANGE_DELETE, native.ABSENT)
end

-- Of "final" windows only what was written already, because the input had ended, is taken back at once.
local function write_panes(script, this)
  if script.emit ~= "final" then
    for start, pane in pairs(touched) do
      write_pane(script, key_values(script, this), pane, start)
    end
  end
  for i = 1, #gone do
    erase(script, key_values(script, this), gone[i])
  end
  forget()
end

local function time_of(script, event, this)
  return keyed.event_time(script, event, this) or error("this event has no time: name its column, as in time = \"created_at\"", 0)
end

-- One image of the event, of this time, into its panes (sign 1), or out of them (-1).
local function count(script, event, entry, this, at, sign)
  local watermark = current.watermark == current.watermark and current.watermark or -math.huge
  local panes = keyed.open(script, event, entry)
  if not script.panes(panes, this, at, watermark, keyed.others(script, event), sign, change, leave) then
    C.sl_count_late(event, false)
    if script.late then
      script.late(this, context)
    end
  end
  write_panes(script, this)
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
      keyed.opened_old = old
    end
    local was = row.new(current.generation, row.OLD)
    count(script, event, old, was, time_of(script, event, was), -1)
    count(script, event, entry, this, at, 1)
  else
    count(script, event, entry, this, at, event.op == native.DELETE and -1 or 1)
  end
  local text = script.panes_text(keyed.open(script, event, entry))
  local old_text = old ~= entry and script.panes_text(keyed.open(script, event, old)) or nil
  if C.sl_finish(event) ~= 0 then
    keyed.fail()
  end
  C.sl_state_put(event, entry, text, #text, nil, 0, window.due(script, keyed.open(script, event, entry)) or NEVER, NEVER)
  if old_text then
    C.sl_state_put(event, old, old_text, #old_text, nil, 0, window.due(script, keyed.open(script, event, old)) or NEVER, NEVER)
  end
end

-- What the key's windows are in case that those of the list cannot be written: there is a dead letter, and no second one.
local function without(panes, closed, list)
  local left = {}
  for start, pane in pairs(panes) do
    left[start] = not closed[start] and pane or nil
  end
  for _, start in ipairs(list) do
    local pane = left[start]
    left[start] = pane and { n = pane.n, a = pane.a, e = pane.e, f = true }
  end
  return left
end

-- Windows are due: "final" ones are written, once; then they are forgotten. At the end of the input those that the watermark has not passed are
-- written too, and kept: where a later run goes on with them, their rows are written again with all that they have by then.
local function fire(script, event)
  local entry, at = event.uses.entry, tonumber(event.at_ms)
  keyed.opened = entry
  local panes, closed, list = keyed.open(script, event, entry), {}, {}
  for start, pane in pairs(panes) do
    if pane.e <= at and not event.ended then
      closed[start] = true
    end
    if script.emit == "final" and (pane.e <= at or event.ended) and (not pane.f or pane.d) then
      list[#list + 1] = start
    end
  end
  table.sort(list, function(a, b) return panes[a].e < panes[b].e or (panes[a].e == panes[b].e and tonumber(a) < tonumber(b)) end)
  local left = without(panes, closed, list)
  local text = script.panes_text(left)
  C.sl_timer_otherwise(event, text, #text, nil, 0, window.due(script, left) or NEVER, NEVER)
  if event.error.p ~= nil then
    error(ffi.string(event.error.p, event.error.n), 0)
  end
  current.watermark = keyed.watermark(script, event) or NEVER
  for _, start in ipairs(list) do
    local pane = panes[start]
    if pane.n > 0 or pane.f then
      write_pane(script, keyed.key_of(script, entry, null), pane, tonumber(start))
    end
    pane.f, pane.d = true, nil
  end
  for start in pairs(closed) do
    panes[start] = nil
  end
  text = script.panes_text(panes)
  if C.sl_finish(event) ~= 0 then
    keyed.fail()
  end
  C.sl_state_put(event, entry, text, #text, nil, 0, window.due(script, panes) or NEVER, NEVER)
end

return { run = aggregate, fire = fire, forget = forget }

