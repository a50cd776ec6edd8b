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
local time = require "streamlua.time"
local timer = require "streamlua.timer"
local window = require "streamlua.window"
local watch = loop.watch

local C, current = native.C, row.state
local fired = timer.fired
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

local function begin(event, i)
  local message = event.message
  watch.at = i
  current.event = event
  current.generation = current.generation + 1
  current.op = event.op
  if message ~= nil then
    watch.owner, watch.position, watch.serial = message.owner, message.position, current.generation
  end
end

-- Before the events run, so that all rows they need are read at once. What fails here fails again when its event runs, and is told then.
local function keys(script, events, count)
  for i = 0, count - 1 do
    if events[i].op ~= native.TIMER then
      begin(events[i], i)
      pcall(set_keys, script, events[i])
    end
  end
  watch.serial = 0
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

-- Its table. Where a newer script wrote it the job stops: every way on would lose either the event or that state.
local function open(script, event, entry)
  if saved.is_newer(entry, script.version) then
    event.must_stop = true
    error(("this state was written by version %d, and the script has version %d: take the newer script again, or delete the state"):format(
      entry.version, script.version), 0)
  end
  return saved.open(entry, script.version, script.upgrades)
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

-- When the event happened, in milliseconds; nil where nothing says so.
local function event_time(script, event, this)
  local spec = script.time
  if not spec then
    local ms = tonumber(event.time_ms)
    ms = ms ~= 0 and ms or tonumber(event.message.time_ms)
    return ms ~= 0 and ms or nil
  end
  local value
  if spec.call then
    value = spec.call(this)
  else
    value = this[spec.column]
  end
  if type(value) == "string" then
    return time.parse(value)
  elseif type(value) == "number" and value == value and value > -8.64e15 and value < 8.64e15 then
    return math.floor(value * spec.factor)
  end
  error(("time: %s is no time: milliseconds or a text such as 2024-01-31 12:00:00 is needed"):format(
    value == nil and (spec.column and "column " .. spec.column .. " is missing, or NULL, and" or "nil") or tostring(value)), 0)
end

-- One that lies so far ahead does not move the clock of its partition.
local AHEAD_MS = 24 * 60 * 60 * 1000

-- The partition's largest event time before this event; nil where there is none.
local function clock(event, at)
  local now = math.max(current.now, tonumber(event.message.time_ms))
  local before = C.sl_clock(event, at, now + AHEAD_MS)
  return before == before and before or nil
end

-- The watermark where a timer is fired; nil: there is none yet.
local function event_watermark(script, event)
  local ms = tonumber(event.clock_ms)
  return ms > -2 ^ 62 and ms - script.out_of_order or nil
end

local opened, opened_old -- the entries that the event at hand works on

-- ---- process and on_timer ----

-- When the state of this entry expires; nil: never.
local function expiry(entry, timers)
  if entry.timers.n == 0 then
    local at = tonumber(entry.at[0])
    return at < 2 ^ 62 and at or nil
  end
  return timers.expires
end

-- What the entry's row is from now on: the state, the timers, and when the first of all this is due.
local function keep(script, event, entry, value, at, timers)
  local text = saved.encode(value, "state")
  if C.sl_finish(event) ~= 0 then
    fail()
  end
  local ttl, expires = script.state and script.state.ttl, nil
  if ttl and text ~= "" then -- since the last change
    if text == ffi.string(entry.value.p, entry.value.n) then
      expires = expiry(entry, timers)
    end
    expires = expires or at and at + ttl
  end
  local timers_text, due, wake = "", expires or NEVER, NEVER
  if timers then
    timers.expires = expires
    timers_text = timer.encode(timers)
    due = math.min(expires or math.huge, timer.first(timers, timer.EVENT) or math.huge)
    wake = timer.first(timers, timer.PROCESSING) or NEVER
  end
  C.sl_state_put(event, entry, text, #text, timers_text, #timers_text, due, wake)
end

local function process(script, event)
  local this = row.new(current.generation, row.NEW)
  if script.filter and not script.filter(this, context) then
    event.outcome = native.FILTERED
    return
  end
  local entry = main_entry(script, event)
  opened = entry
  local ttl, at = script.state and script.state.ttl, nil
  local work = { script = script, entry = entry, now = current.now }
  if entry.timers.n > 0 then
    work.data = timer.open(entry)
  end
  if ttl or script.time or script.on_timer then
    at = event_time(script, event, this)
    if at then
      local before = clock(event, at)
      work.watermark = before and before - script.out_of_order
      current.watermark = work.watermark or NEVER
    end
  end
  local expires = ttl and at and expiry(entry, work.data)
  if expires and expires <= at then
    saved.empty(entry)
  end
  local value = open(script, event, entry)
  timer.begin(work)
  local made = script.process(this, value, context)
  timer.begin(nil)
  if made ~= nil then
    write_row(script, made)
  end
  keep(script, event, entry, value, at, work.data)
end

-- What the script sees of the key: its columns by their names, or what its key_by made.
local function key_of(script, entry)
  local values = saved.decode(ffi.string(entry.key.p, entry.key.n))
  if type(script.key_by) == "function" then
    return values[1]
  end
  local named = {}
  for i, name in ipairs(script.key_by) do
    named[name] = values[i] ~= null and values[i] or nil
  end
  return named
end

-- The row of a key is due: its state has expired, or timers are to be fired, or both.
local function fire(script, event)
  local entry, at = event.uses.entry, tonumber(event.at_ms)
  local by = event.due_by == 0 and timer.EVENT or timer.PROCESSING
  local timers = timer.open(entry)
  opened = entry
  local expires = expiry(entry, timers)
  local expired = by == timer.EVENT and expires and expires <= at
  local due = timer.take(timers, by, at)
  local text = not expired and ffi.string(entry.value.p, entry.value.n) or ""
  timers.expires = not expired and expires or nil
  local left = timer.encode(timers)
  C.sl_timer_otherwise(event, text, #text, left, #left,
    math.min(timers.expires or math.huge, timer.first(timers, timer.EVENT) or math.huge), timer.first(timers, timer.PROCESSING) or NEVER)
  if event.error.p ~= nil then
    error(ffi.string(event.error.p, event.error.n), 0)
  elseif #due > 0 and not script.on_timer then
    error("a timer is due, and the script has no function on_timer(state, ctx) any more", 0)
  end
  if expired then
    saved.empty(entry)
  end
  local value = open(script, event, entry)
  local work = { script = script, entry = entry, now = current.now, data = timers }
  for _, one in ipairs(due) do
    work.watermark = by == timer.EVENT and one.at or event_watermark(script, event)
    current.watermark = work.watermark or NEVER
    fired.name, fired.at, fired.key = one.name, one.at, key_of(script, entry)
    timer.begin(work)
    script.on_timer(value, context)
    timer.begin(nil)
  end
  keep(script, event, entry, value, by == timer.EVENT and at or event_watermark(script, event), timers)
end

-- ---- windows ----

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

local function write_panes(script, this)
  for start, pane in pairs(touched) do
    local values = window.result(script, pane, start)
    for name, value in pairs(key_values(script, this)) do
      values[name] = value
    end
    if pane.n == 0 then
      output.write(script.target_id, to_columns(script, values), native.CHANGE_DELETE, native.ABSENT)
    else
      output.write(script.target_id, to_columns(script, values), native.CHANGE_UPSERT, native.DEFAULT)
    end
    touched[start] = nil
  end
  for i = #gone, 1, -1 do
    local values = key_values(script, this)
    values.window_start = window.text_of(gone[i])
    values.window_end = values.window_start
    output.write(script.target_id, to_columns(script, values), native.CHANGE_DELETE, native.ABSENT)
    gone[i] = nil
  end
end

-- One image of the event into its panes (sign 1), or out of them (-1).
local function count(script, event, entry, which, sign)
  local this = row.new(current.generation, which)
  local at = event_time(script, event, this)
  if not at then
    error("this event has no time: name its column, as in time = \"created_at\"", 0)
  end
  if which == row.NEW or not event.clocked then
    current.watermark = clock(event, at) or NEVER
  end
  local watermark = current.watermark == current.watermark and current.watermark - script.out_of_order or -math.huge
  local panes = open(script, event, entry)
  if not script.panes(panes, this, at, watermark, sign, change, leave) then
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
  local entry = main_entry(script, event)
  local old = entry
  opened = entry
  if event.op == native.UPDATE then
    if event.old.shape == nil then
      error("an update without its old values cannot be taken back from its window", 0)
    end
    local used = event.uses.next
    if used ~= nil and used.old then
      old = used.entry
      opened_old = old
    end
    count(script, event, old, row.OLD, -1)
    count(script, event, entry, row.NEW, 1)
  else
    count(script, event, entry, row.NEW, event.op == native.DELETE and -1 or 1)
  end
  local text = saved.encode(open(script, event, entry), "the window")
  local old_text = old ~= entry and saved.encode(open(script, event, old), "the window") or nil
  if C.sl_finish(event) ~= 0 then
    fail()
  end
  C.sl_state_put(event, entry, text, #text, nil, 0, NEVER, NEVER)
  if old_text then
    C.sl_state_put(event, old, old_text, #old_text, nil, 0, NEVER, NEVER)
  end
end

-- A fault names the key: the state that it met is that key's.
local function fault(reason)
  local event = current.event
  timer.begin(nil)
  if opened ~= nil then
    saved.forget(opened)
    if opened_old ~= nil then
      saved.forget(opened_old)
    end
    for start in pairs(touched) do
      touched[start] = nil
    end
    for i = #gone, 1, -1 do
      gone[i] = nil
    end
    reason = ("%s\nkey %s"):format(reason, ffi.string(opened.key.p, opened.key.n))
  end
  C.sl_fault(event, reason, #reason)
end

-- upgrade may change what it is given, or return another.
local function upgraded(script, value, from)
  local made = script.upgrade(value, from)
  return made == nil and value or made
end

local function new(script)
  function script.upgrades(value, from)
    if not script.window then
      return upgraded(script, value, from)
    end
    for _, pane in pairs(value) do
      pane.a = upgraded(script, pane.a, from)
    end
    return value
  end
  local step = script.window and aggregate or process
  script.panes = script.window and window.new(script)
  return function(events, event_count)
    for i = 0, event_count - 1 do
      begin(events[i], i)
      opened, opened_old = nil, nil
      current.watermark = NEVER
      local ok, reason = xpcall(events[i].op == native.TIMER and fire or step, loop.traceback, script, events[i])
      if not ok then
        fault(reason == loop.NO_MEMORY and loop.no_memory() or reason)
      end
    end
    watch.serial = 0
  end
end

return { new = new, keys = keys }
