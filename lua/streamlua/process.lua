-- An event of a script with process(row, state, ctx) or a pattern, and the timers that such scripts set.
local ffi = require "ffi"
local chain = require "streamlua.chain"
local chained = require "streamlua.chained"
local context = require "streamlua.context"
local keyed = require "streamlua.keyed"
local map = require "streamlua.map"
local native = require "streamlua.native"
local output = require "streamlua.output"
local patterned = require "streamlua.patterned"
local row = require "streamlua.row"
local saved = require "streamlua.state"
local timer = require "streamlua.timer"

local C, current = native.C, row.state
local fired = timer.fired
local NEVER = keyed.NEVER

-- What a function of the script returned, as a row of its target.
local function write_row(script, name, values)
  if values == nil then
    return
  elseif not script.has_target then
    error(("%s returned a value, and the script names no target: return the row of a table that `target` names, or use ctx:emit"):format(name), 0)
  elseif type(values) ~= "table" and not row.is_row(values) then
    error(("%s returned a %s: a table of target columns is needed, or nil for no row"):format(name, type(values)), 0)
  end
  if script.to_stream then
    chain.feed(script.to_stream, native.INSERT, values)
    return
  end
  local change = output.write(script.target_id, values, native.CHANGE_UPSERT, native.DEFAULT)
  if script.owns then
    C.sl_disown(current.event, change)
  end
end

local function encode(script, value)
  if script.pattern then
    return patterned.encode(value)
  end
  return saved.encode(value, "state")
end

-- When the state of this entry expires; nil: never.
local function expiry(entry, timers)
  if entry.timers.n == 0 then
    local at = tonumber(entry.at[0])
    return at < 2 ^ 62 and at or nil
  end
  return timers.expires
end

-- What the entry's row is from now on: the state, the timers, and when the first of all this is due. expired: it had been too old to count, so what
-- it is now begins now, also where it is the same.
local function keep(script, event, entry, value, at, timers, expired)
  local text = encode(script, value)
  map.encode()
  if C.sl_finish(event) ~= 0 then
    keyed.fail()
  end
  local ttl, expires = script.state and script.state.ttl, nil
  if ttl and text ~= "" then -- since the last change
    if not expired and text == ffi.string(entry.value.p, entry.value.n) then
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
  map.put()
end

-- What comes of an event whose key has timers that the watermark has passed before it: they are fired first, each as an event of its own, so
-- that what a key's timers and events see of each other does not depend on how many events are read at a time.
local WAITS = chained.WAITS

local function process(script, event)
  local this = row.new(current.generation, row.NEW)
  if script.filter and not script.filter(this, context) then
    event.outcome = native.FILTERED
    return
  end
  local entry = keyed.main_entry(script, event)
  keyed.opened = entry
  local ttl, at = script.state and script.state.ttl, nil
  local work = { script = script, entry = entry, now = current.now }
  if entry.timers.n > 0 then
    work.data = timer.open(entry)
  end
  if script.uses_time then
    at = keyed.event_time(script, event, this)
    if at then
      local before = keyed.clock(script, event, at)
      work.watermark = before and before - script.out_of_order
      current.watermark = work.watermark or NEVER
    end
  end
  if not script.feeds and C.sl_is_stalled(event) ~= 0 then
    return
  end
  local first = work.data and timer.first(work.data, timer.EVENT)
  if first and work.watermark and first <= math.min(work.watermark, keyed.others(script, event)) then
    return WAITS
  end
  -- Whether its row is deleted already must make no difference to an event that comes late: the watermark has passed it, so it is gone.
  local over = at and math.max(at, math.min(work.watermark or -math.huge, keyed.others(script, event)))
  local expires = ttl and at and expiry(entry, work.data)
  local expired = expires and expires <= over
  if expired then
    saved.empty(entry)
  end
  local value = keyed.open(script, event, entry)
  timer.begin(work)
  map.begin(script, event, at, over)
  if script.pattern then
    patterned.advance(script, event, this, value, at, work, write_row)
  else
    write_row(script, "process", script.process(this, value, context))
  end
  timer.begin(nil)
  keep(script, event, entry, value, at, work.data, expired)
end

-- An entry of a map is too old to count.
local function expire(event, entry)
  if C.sl_finish(event) ~= 0 then
    keyed.fail()
  end
  C.sl_state_put(event, entry, nil, 0, nil, 0, NEVER, NEVER)
end

-- The row of a key is due: its state has expired, or timers are to be fired, or both.
local function fire(script, event)
  if not script.feeds and C.sl_is_stalled(event) ~= 0 then
    return
  end
  local entry, at = event.uses.entry, tonumber(event.at_ms)
  local by = event.due_by == 0 and timer.EVENT or timer.PROCESSING
  local timers = timer.open(entry)
  keyed.opened = entry
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
  elseif entry.map.n > 0 then
    expire(event, entry)
    return
  elseif #due > 0 and not script.on_timer and not script.pattern then
    error("a timer is due, and the script has no function on_timer(state, ctx) any more", 0)
  end
  if expired then
    saved.empty(entry)
  end
  local value = keyed.open(script, event, entry)
  local work = { script = script, entry = entry, now = current.now, data = timers }
  local now = by == timer.EVENT and at or keyed.watermark(script, event)
  for _, one in ipairs(due) do
    work.watermark = by == timer.EVENT and one.at or keyed.watermark(script, event)
    current.watermark = work.watermark or NEVER
    fired.name, fired.at, fired.key = one.name, one.at, keyed.key_of(script, entry)
    timer.begin(work)
    map.begin(script, event, now, now)
    if script.pattern then
      patterned.expire(script, value, one.at, work, write_row)
    else
      script.on_timer(value, context)
    end
    timer.begin(nil)
  end
  keep(script, event, entry, value, now, timers, expired)
end

return { run = process, fire = fire, WAITS = WAITS }
