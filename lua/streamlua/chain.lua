-- Chains: a row that a script writes into a stream goes through the scripts that read it, as a part of the event that it comes of. So there is
-- nothing between the two: one lane, one transaction, one dead letter, and an event that runs again takes all of it along. Readers without state
-- are called here, at once; the others have their turn when who wrote the row is through (streamlua.chained).
local ffi = require "ffi"
local chained = require "streamlua.chained"
local context = require "streamlua.context"
local host = require "streamlua.host"
local keyed = require "streamlua.keyed"
local map = require "streamlua.map"
local native = require "streamlua.native"
local null = require("streamlua").null
local output = require "streamlua.output"
local row = require "streamlua.row"
local timer = require "streamlua.timer"

local C, state = native.C, row.state
local INSERT, UPDATE, DELETE, SNAPSHOT = native.INSERT, native.UPDATE, native.DELETE, native.SNAPSHOT

local DEEPEST = 16 -- streams within streams; `check` finds the loops that scripts say, not those that they make up

local chain = {}

local readers = {} -- stream -> scripts that read it

-- Where it is: of the event that ran last, since an error leaves it as it stands.
local depth, generation, trail = 0, 0, {}

local function depth_now()
  return generation == state.generation and depth or 0
end

function chain.reset()
  depth = 0
end

-- ---- rows ----

local nulls = setmetatable({}, { __mode = "k" }) -- row -> its columns that are NULL

local meta = { __metatable = "row" }

local function has(this, name)
  return rawget(this, name) ~= nil or (nulls[this] ~= nil and nulls[this][name] == true)
end

function meta.__index(_, name)
  return name == "has" and has or nil
end

-- Each reader has a row of its own.
local function as_row(values)
  local made, missing = {}, nil
  for name, value in pairs(values) do
    if value == null then
      missing = missing or {}
      missing[name] = true
    else
      made[name] = value
    end
  end
  nulls[made] = missing
  return setmetatable(made, meta)
end

local function all_columns(this)
  if row.is_row(this) then
    return row.to_table(this, null)
  end
  local made = {}
  for name, value in pairs(this) do
    made[name] = value
  end
  for name in pairs(nulls[this] or {}) do
    made[name] = null
  end
  return made
end

local known = {} -- target -> name -> whether it has such a column

-- Columns of the same name: what the target does not have is left out, as where an event's own row is copied.
local function same_columns(target_id)
  known[target_id] = known[target_id] or {}
  local names = known[target_id]
  return function(this)
    local made = all_columns(this)
    for name in pairs(made) do
      if names[name] == nil then
        names[name] = type(name) ~= "string" or C.sl_target_column(host.pointer, target_id, name, #name) >= 0
      end
      made[name] = names[name] and made[name] or nil
    end
    return made
  end
end

-- ---- through the scripts ----

local feed

-- What feed may be told of the row before, besides that row, or false where there was none.
local AT_ONCE, ROW_OF_BEFORE = {}, {} -- who runs later has no use for this row; it is that row itself, and who is called at once has none for it

local function deliver(script, op, values, old)
  if script.to_stream then
    feed(script.to_stream, op, values, old)
  elseif op == DELETE then
    output.write(script.target_id, values, native.CHANGE_DELETE, native.ABSENT)
  else
    output.write(script.target_id, values, native.CHANGE_UPSERT, script.map and not script.merges and native.DEFAULT or native.ABSENT)
  end
end

local made_of_old

-- A row that does not match any more is deleted; one that was never there need not be. What keeps state upserts: its rows may be there.
-- old: the row before an update, where that is known.
local function read(script, op, this, old)
  state.op = op
  if script.filter and not script.filter(this, context) then
    return
  end
  if script.where and not script.where(this) then
    if script.merges or ((op == INSERT or op == SNAPSHOT) and not state.stateful) then
      return
    end
    op, state.op = DELETE, DELETE
  end
  if script.merges and op == UPDATE then
    error(("%s adds up (merge), and a stream does not say what a row had added before an update of it: let it read the table itself")
      :format(script.path), 0)
  end
  if old and script.feeds then
    old = made_of_old(script, old)
  end
  local made = script.make(this, context)
  if made ~= nil then
    deliver(script, op, output.check(made), old)
  end
end

-- Of this script: it keeps state or looks something up, so its rows are events.
local function runs_later(script)
  return script.stateful or script.lookups
end

-- To the scripts that read the stream. What a script makes alone, in its examples and tests, are rows of the stream.
-- For scripts that run later. An update says what the row was, where that is known.
local function add_later(script, stream, op, values, old)
  if old == AT_ONCE or (op == DELETE and old == false) then
    return
  elseif op == UPDATE and old == false then
    op, old = INSERT, nil
  elseif op == DELETE and old and old ~= ROW_OF_BEFORE then
    values, old = old, nil
  end
  chained.add(script, stream, op, values, op == UPDATE and old or nil)
end

-- old: the row before an update (false: there was none; nil: nobody knows), for those who have use for it.
function feed(stream, op, values, old)
  values = row.is_row(values) and row.to_table(values, null) or values
  if not readers[stream] or C.sl_is_example(host.pointer) then
    if old ~= ROW_OF_BEFORE then
      output.write(output.target_id("stream:" .. stream), values, op == DELETE and native.CHANGE_DELETE or native.CHANGE_UPSERT, native.ABSENT)
    end
    return
  end
  local outer, op_before, lacks = depth_now(), state.op, state.lacks
  if outer == DEEPEST then
    error(("stream '%s': %d streams feed each other: a row would never come to an end"):format(stream, DEEPEST), 0)
  end
  depth, generation = outer + 1, state.generation
  local maps, timers = map.lend(), timer.lend() -- they are who writes'
  for _, script in ipairs(readers[stream]) do
    trail[depth] = { stream = stream, writer = outer == 0 and chained.writer or trail[outer].reader, reader = script.path }
    if runs_later(script) then
      add_later(script, stream, op, values, old)
    elseif old ~= ROW_OF_BEFORE then
      read(script, op, as_row(values), old and old ~= AT_ONCE and as_row(old) or nil)
    end
  end
  map.lend(maps)
  timer.lend(timers)
  depth, state.op, state.lacks = outer, op_before, lacks
end
chain.feed = feed

local function values_of(change)
  local values, target = {}, C.sl_target_of(change)
  for i = 0, tonumber(change.count) - 1 do
    local value = change.values + i
    if value.kind ~= native.ABSENT and value.kind ~= native.DEFAULT then
      local name, got = C.sl_target_column_name(host.pointer, target, i), row.to_lua(value)
      values[ffi.string(name.p, name.n)] = got == nil and null or got
    end
  end
  return values
end

-- The rows that a window has written of this event: they are its stream's.
function chain.pass_on(script)
  if not readers[script.to_stream] or C.sl_is_example(host.pointer) then
    return
  end
  local changes = {}
  repeat
    local change = C.sl_take_change(state.event, script.target_id)
    changes[#changes + 1] = change ~= nil and change or nil
  until change == nil
  local op = script.emit == "final" and INSERT or UPDATE
  for _, change in ipairs(changes) do
    feed(script.to_stream, change.op == native.CHANGE_DELETE and DELETE or op, values_of(change))
  end
end

-- What ctx:emit and ctx:delete know of streams.
setmetatable(output.streams, {
  __index = function(this, target)
    local stream = target:match "^stream:(.+)$"
    this[target] = stream and function(deleted, values)
      if output.quiet then
        return
      end
      local upserts = state.stateful and depth_now() == 0
      feed(stream, (deleted or (state.op == DELETE and not upserts)) and DELETE or upserts and INSERT or state.op, values)
    end or false
    return this[target]
  end,
})

-- Of an error within a reader: how the row came there.
function chain.way()
  local way = {}
  for i = depth_now(), 1, -1 do
    way[#way + 1] = ("\nin stream '%s', from %s to %s"):format(trail[i].stream, trail[i].writer, trail[i].reader)
  end
  return table.concat(way)
end

local function fail()
  error(ffi.string(C.sl_error(host.pointer)), 0)
end

-- Whether one of the readers wants to know what a row was before: those that are called at once do not.
local function wants_old(stream)
  for _, script in ipairs(readers[stream] or {}) do
    if runs_later(script) or script.feeds then
      return true
    end
  end
  return false
end

-- What a script made of the row of before, which is not written once more; false where that was none.
function made_of_old(script, this)
  local values = false
  local op_before = state.op
  state.op, output.quiet = DELETE, true
  local ok, reason = pcall(function()
    if not (script.reads and script.filter and not script.filter(this, context)) and not (script.where and not script.where(this)) then
      values = script.make(this, context)
      values = values ~= nil and output.check(values)
    end
  end)
  state.op, output.quiet = op_before, false
  if not ok then
    error(reason, 0)
  end
  return row.is_row(values) and row.to_table(values, null) or values
end

-- The row of before, where its key is another now.
local function delete_old(event, script)
  local changed = C.sl_key_changed(event)
  if changed == -2 then
    fail()
  elseif changed ~= 0 and event.old.shape ~= nil then
    state.op = DELETE
    local values = script.make(row.new(state.generation, row.OLD), context)
    if values ~= nil then
      feed(script.to_stream, DELETE, output.check(values), AT_ONCE)
    end
  end
end

-- Who reads sees whole rows: map may not need what a part of one lacks, and columns are all of them.
local function check_whole(script)
  if row.is_part() and (state.lacks or not script.map) then
    error(("the message has only a part of its row, and who reads stream '%s' sees whole rows: let the source send them " ..
      "(binlog_row_image = FULL, REPLICA IDENTITY FULL)"):format(script.to_stream), 0)
  end
end

-- A script without state whose target is a stream: a function(event).
local function writes(script)
  return function(event)
    local op, this, old = event.op, row.new(state.generation, row.NEW), nil
    if op == UPDATE then
      delete_old(event, script)
      if event.old.shape ~= nil and wants_old(script.to_stream) then
        old = made_of_old(script, row.new(state.generation, row.OLD))
      end
    end
    state.lacks = false
    if script.where and op ~= DELETE and not script.where(this) then
      op = op == UPDATE and DELETE or nil
    end
    if op then
      state.op = op
      local values = script.make(this, context)
      check_whole(script)
      if values ~= nil then
        feed(script.to_stream, op, output.check(values), old)
      elseif old then
        feed(script.to_stream, DELETE, old, ROW_OF_BEFORE)
      end
    else
      check_whole(script)
    end
    state.op = event.op
    if event.changes == nil and chained.is_empty() then
      event.outcome = native.FILTERED
    end
  end
end

-- A script that reads a stream has no events but those of its examples and tests, and the rows that it is to look something up for.
local function reads(script)
  return function(event)
    local this = row.new(state.generation, row.NEW)
    if script.lookups then
      read(script, event.op, this, event.op == UPDATE and event.old.shape ~= nil and row.new(state.generation, row.OLD) or nil)
    else
      read(script, event.op, as_row(row.to_table(this, null)))
    end
    if event.changes == nil and chained.is_empty() then
      event.outcome = native.FILTERED
    end
  end
end

-- ---- scripts without state whose rows, or whose own, are events ----

local function run(script, event)
  if event.of == nil and not script.reads then
    if script.filter and not script.filter(row.new(state.generation, row.NEW), context) then
      event.outcome = native.FILTERED
      return
    elseif script.uses_time then
      local at = keyed.event_time(script, event, row.new(state.generation, row.NEW))
      if at then
        keyed.clock(script, event, at)
      end
    end
    if script.kept then
      if C.sl_chain_lanes(event) ~= 0 then
        fail()
      end
    elseif type(script.key_by) == "function" then
      script.lane_key(event, script)
    end
  end
  script.chained(event)
  if script.kept or (event.of ~= nil and event.of.finished) then -- nothing of it can be wrong any more when states change
    if C.sl_finish(event) ~= 0 then
      fail()
    end
  end
end

chain.kind = { run = run }

-- Once the script's target is known. as_map: makes a map of columns. Comes to a function(event); nil: the script has its own loop.
function chain.bind(script, as_map)
  if script.reads then
    readers[script.reads] = readers[script.reads] or {}
    table.insert(readers[script.reads], script)
  end
  if script.stateful or not (script.reads or script.to_stream) then
    return nil
  end
  script.make = script.map or script.columns and as_map(script.columns)
  if not script.make and script.reads then
    script.make = script.to_stream and all_columns or same_columns(script.target_id)
  end
  script.make = script.make or function(this) return row.to_table(this, null) end
  return (script.reads and reads or writes)(script)
end

return chain
