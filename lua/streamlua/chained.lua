-- Readers of streams that keep state or look something up: a row for one waits until who wrote it is through, and then runs as an event of that
-- script's, a part of the event that it comes of (core/flow/script_chain.c). Where one of them fails, or has to wait, nothing of all that counts.
local ffi = require "ffi"
local build = require "streamlua.build"
local host = require "streamlua.host"
local keyed = require "streamlua.keyed"
local map = require "streamlua.map"
local native = require "streamlua.native"
local row = require "streamlua.row"
local timer = require "streamlua.timer"

local C, current = native.C, row.state

local DEEPEST = 16 -- streams within streams, as of those that run at once

local chained = {
  writer = nil, -- path of the script that runs
  WAITS = {}, -- timers of a key come before its event: they are run first, and then it runs from its beginning
}

local queue, count = {}, 0 -- { event =, script =, stream =, writer =, via = the one that wrote it }
local at -- the one that runs
local root -- the script of the event that they come of; nil: none that was known to have such readers

-- A script's events run next.
function chained.enter(script)
  chained.writer, root, at = script.path, nil, nil
end

-- One of them, of a script whose rows such readers have.
function chained.begin(script, event)
  for i = 1, count do
    queue[i] = nil
  end
  count, at, root = 0, nil, script
  chained.writer = script.path
  current.stateful = script.stateful or false
  row.look(script.lookups)
  C.sl_chain_begin(event)
end

function chained.is_empty()
  return count == 0
end

-- A row for a reader. old: the row before, where that is known.
function chained.add(script, stream, op, values, old)
  if not root or (script.stateful and script.leader ~= root.leader) then
    error(("stream '%s': its name is put together while the script runs, and %s, which reads it, has to be known before (it %s): " ..
      "write the name whole"):format(stream, script.path, script.stateful and "keeps state" or "looks something up"), 0)
  end
  local depth = at and at.depth + 1 or 1
  if depth > DEEPEST then
    error(("stream '%s': %d streams feed each other: a row would never come to an end"):format(stream, DEEPEST), 0)
  end
  local event = C.sl_chain_event(current.event, script.number, op)
  build.image(event, build.ROW, values)
  if old then
    build.image(event, build.OLD, old)
  end
  count = count + 1
  queue[count] = { event = event, script = script, stream = stream, writer = chained.writer, via = at, depth = depth }
end

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

-- Finds what they need, all of it before any runs.
local function prepare(first, last)
  local missing = false
  for i = first, last do
    local one = queue[i]
    at = one
    local ready = C.sl_chain_ready(one.event)
    if ready == 0 and one.script.stateful and type(one.script.key_by) == "function" then
      current.event, current.generation, current.op = one.event, current.generation + 1, one.event.op
      row.look(one.script.lookups)
      keyed.set_keys(one.script, one.event)
      ready = one.event.uses.entry.loaded and 0 or 1
    end
    if ready < 0 then
      fail()
    end
    missing = missing or ready > 0
  end
  if missing then
    map.stall()
  end
end

local function run(one)
  local script, event = one.script, one.event
  keyed.opened = nil
  map.finish()
  timer.begin(nil)
  at = one
  chained.writer = script.path
  current.event, current.generation, current.op = event, current.generation + 1, event.op
  current.watermark, current.stateful = keyed.NEVER, script.stateful or false
  row.look(script.lookups)
  if script.stateful and C.sl_is_stalled(event) ~= 0 then
    map.stall()
  end
  local result = script.run(script, event)
  if result == chained.WAITS then
    C.sl_chain_wait(event)
    return result
  end
  C.sl_chain_done(event)
end

-- The rows that came of the event that has run, and those that come of them.
function chained.drain()
  local first = 1
  while first <= count do
    local last = count
    prepare(first, last)
    for i = first, last do
      if run(queue[i]) == chained.WAITS then
        return chained.WAITS
      end
    end
    first = last + 1
  end
end

-- What is wrong, with the reader's file where nothing says in which it is.
function chained.placed(text)
  return at and not text:match("^[^\n]*"):find "%.lua:%d" and ("%s: %s"):format(at.script.path, text) or text
end

-- Of an error within a reader: how the row came there.
function chained.way()
  local way, one = {}, at
  while one do
    way[#way + 1] = ("\nin stream '%s', from %s to %s"):format(one.stream, one.writer, one.script.path)
    one = one.via
  end
  return table.concat(way)
end

return chained
