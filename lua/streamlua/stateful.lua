-- The loop over the events of a script that keeps state. Each event sees what the ones before it left, and its state is taken
-- over only once everything else about it is known to be right.
local ffi = require "ffi"
local chained = require "streamlua.chained"
local host = require "streamlua.host"
local keyed = require "streamlua.keyed"
local loop = require "streamlua.loop"
local map = require "streamlua.map"
local native = require "streamlua.native"
local process = require "streamlua.process"
local row = require "streamlua.row"
local saved = require "streamlua.state"
local timer = require "streamlua.timer"
local windowed = require "streamlua.windowed"
local watch = loop.watch

local C, current = native.C, row.state
local unfinished = false -- a loop that ended by an error of its own

local function begin(event)
  local message = event.message
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
    watch.at = i
    if events[i].op ~= native.TIMER then
      begin(events[i])
      pcall(keyed.set_keys, script, events[i])
    end
  end
  watch.serial = 0
end

-- As if the event had not run.
local function undo()
  timer.begin(nil)
  saved.undo()
end

-- A fault names the key: the state that it met is that key's.
local function fault(event, reason)
  local opened = keyed.opened
  undo()
  if event.was_done then
    return
  end
  if opened ~= nil then
    reason = ("%s\nkey %s"):format(reason, ffi.string(opened.key.p, opened.key.n))
  end
  C.sl_fault(event, reason, #reason)
end

-- It runs again, once the rows are at hand that it came to.
local function stall(event)
  if C.sl_stall(event) ~= 0 then
    fault(event, ffi.string(C.sl_error(host.pointer)))
  end
  undo()
end

-- Where an event stalled is nobody's question.
local function traceback(reason)
  return map.is_stalled() and reason or loop.traceback(reason)
end

-- upgrade may change what it is given, or return another.
local function upgraded(script, value, from)
  local made = script.upgrade(value, from)
  return made == nil and value or made
end

-- An event whose rows others read: what they make of them is a part of it.
local function whole(run)
  return function(script, event)
    chained.begin(script, event)
    local result = run(script, event)
    if result == process.WAITS then
      return result
    end
    return chained.drain()
  end
end

-- kind: how its events run, of a script that keeps none.
local function new(script, kind)
  function script.upgrades(value, from)
    return upgraded(script, value, from)
  end
  kind = kind or script.window and windowed or process
  if kind.prepare then
    kind.prepare(script)
  end
  local pass = keyed.pass
  script.run = kind.run -- of a row of a stream that it reads

  -- Returns what xpcall does, and whether it came to an entry of a map that is not at hand.
  local function try(event, run, fire)
    begin(event)
    saved.begin()
    keyed.opened = nil
    current.watermark = keyed.NEVER
    local ok, reason = xpcall(event.was_done and pass or event.op == native.TIMER and fire or run, traceback, script, event)
    local stalled = map.is_stalled()
    map.finish()
    return ok, reason, stalled
  end

  local whole_run, whole_fire = whole(kind.run), kind.fire and whole(kind.fire)

  return function(events, event_count)
    if unfinished then -- no memory, and not even the fault could be told
      undo()
    end
    unfinished = true
    local feeds = script.feeds
    local run, fire = feeds and whole_run or kind.run, feeds and whole_fire or kind.fire
    for i = 0, event_count - 1 do
      watch.at = i -- before anything here wants memory: who did not get it is this event
      local event = events[i]
      local ok, reason, stalled = try(event, run, fire)
      if not ok and reason == loop.NO_MEMORY and not event.finished then -- what others left may have filled it
        undo()
        loop.make_room()
        C.sl_again(event)
        ok, reason, stalled = try(event, run, fire)
      end
      if stalled then
        stall(event)
      elseif feeds and C.sl_chain_is_behind(event) ~= 0 and not event.was_done then
        C.sl_chain_behind(event)
        undo()
      elseif not ok then
        fault(event, reason == loop.NO_MEMORY and loop.no_memory() or reason)
      elseif reason == process.WAITS then
        if feeds then
          C.sl_again(event)
          undo()
        end
        unfinished = false
        watch.serial = 0
        return i
      elseif feeds then
        C.sl_chain_over(event)
      end
    end
    unfinished = false
    watch.serial = 0
  end
end

return { new = new, keys = keys }
