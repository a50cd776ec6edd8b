-- A script alone, in a VM of its own (core/flow/harness.c), fed with events one by one: what its tests (streamlua.test_harness) and the steps
-- of its examples (streamlua.steps) do with it. Each event is a transaction; what it writes is kept until it is said what was expected.
-- Errors are texts without a place.
local ffi = require "ffi"
local build = require "streamlua.build"
local check = require "streamlua.check"
local examples = require "streamlua.examples"
local host = require "streamlua.host"
local json = require "streamlua.json"
local native = require "streamlua.native"
local null = require("streamlua").null
local saved = require "streamlua.state"
local time = require "streamlua.time"

local C = native.C

local function text(slice)
  return ffi.string(slice.p, slice.n)
end

local function last_error()
  return ffi.string(C.sl_error(host.pointer))
end

-- Between the two no error may pass.
local function with_message(this, fn, ...)
  local message = C.sl_harness_begin(this.pointer)
  local ok, value = pcall(fn, this, message, ...)
  C.sl_harness_end(this.pointer)
  if not ok then
    error(value, 0)
  end
  return value
end

local harness = {}

-- A script of the job; served: the table that job.lua names for it, or nil. nil and why where it cannot be loaded. Its `at` is the place
-- where it is being used, for what is told later.
function harness.open(path, served)
  local pointer = C.sl_harness_new(host.pointer, path, served)
  if pointer == nil then
    return nil, last_error()
  end
  return { pointer = pointer, path = path, made = {} }
end

-- Gives its VM back.
function harness.close(this)
  C.sl_harness_close(this.pointer)
end

-- ---- the events ----

local function copy(event)
  if type(event) ~= "table" then
    error(("an event is needed, as in { op = \"insert\", row = { id = 1 } }, not %s"):format(event == nil and "nothing" or "a " .. type(event)), 0)
  end
  local made = {}
  for name, value in pairs(event) do
    made[name] = value
  end
  return made
end

local function name_table(this, made)
  if made.table == nil then
    local source = text(C.sl_harness_source(this.pointer))
    local database, of = source:match "^(.-)%.(.*)$"
    made.table = of or source
    made.database = made.database or database
  end
end

-- What the events of this list wrote, or why they could not, into what the test has still to expect.
local function collect(this, event)
  while event ~= nil do
    local failed = examples.error_of(event)
    for _, one in ipairs(failed and { { error = failed, at = this.at } } or examples.changes(C.sl_harness_host(this.pointer), event)) do
      this.made[#this.made + 1] = one
    end
    event = event.next
  end
end

local function run(this, message, event)
  local made = copy(event)
  local now = made.now
  made.now = nil
  if now ~= nil and type(now) ~= "number" then
    error(("now: milliseconds are needed, not a %s"):format(type(now)), 0)
  end
  this.now = now or this.now
  name_table(this, made)
  local given = made.lookup
  made.lookup = nil
  local built = build.event(message, made, C.sl_harness_host(this.pointer))
  if given ~= nil then
    build.given(built, 0, given, C.sl_harness_host(this.pointer))
  end
  local ran = C.sl_harness_run(this.pointer, this.now or os.time() * 1000)
  if ran == nil then
    error(last_error(), 0)
  elseif ran.outcome == native.UNMATCHED then
    error(("%s does not serve table %s"):format(this.path, tostring(made.table)), 0)
  end
  collect(this, ran)
end

local function fire(this)
  local ran = C.sl_harness_fire(this.pointer, this.now or os.time() * 1000)
  if ran == nil then
    return false
  end
  collect(this, ran)
  return true
end

-- All that is due by now, one by one.
local function settle(this)
  repeat
    local more = with_message(this, fire)
  until not more
end

local function to_time(at)
  local ms = type(at) == "string" and time.parse(at) or at
  if type(ms) ~= "number" or ms ~= ms then
    error("a time is needed, milliseconds or a text", 0)
  end
  return ms
end

function harness.feed(this, event)
  with_message(this, run, event)
  settle(this)
end

-- The watermark comes to this time: milliseconds, or a text as of a database.
function harness.advance_to(this, at)
  C.sl_harness_advance(this.pointer, to_time(at))
  settle(this)
end

-- The clock goes on by a duration.
function harness.wait(this, duration)
  local ms, reason = check.duration(duration)
  if not ms then
    error(reason, 0)
  end
  this.now = (this.now or os.time() * 1000) + ms
  settle(this)
end

-- The input ends, as that of a file: windows close, timers fire. More may be fed, as in a later run.
function harness.finish(this)
  C.sl_harness_finish(this.pointer, true)
  settle(this)
  C.sl_harness_finish(this.pointer, false)
end

-- The worker dies, and another begins.
function harness.restart(this)
  if C.sl_harness_restart(this.pointer) ~= 0 then
    error(last_error(), 0)
  end
end

-- ---- what it wrote ----

-- As in examples; besides, { } is nothing, and a list may have { error = "part of its text" }.
local function wanted(this, expect)
  if expect == "error" then
    return { { error = true } }
  elseif expect == false then
    return {}
  elseif type(expect) ~= "table" then
    error("a row, a list of { target =, row = }, { delete = }, \"error\" or false is needed", 0)
  elseif next(expect) == nil then
    return {}
  elseif expect.error then
    expect = { expect }
  end
  local list = examples.expected_changes(expect, text(C.sl_harness_target(this.pointer)))
  for i, one in ipairs(list) do
    if type(one.row) ~= "table" then
      error(("change %d: { target =, row = } or { delete = } is needed"):format(i), 0)
    end
    local fault = one.row.error
    if expect[i] and expect[i].error and not (expect[i].row or expect[i].delete) then
      list[i] = { error = type(fault) == "string" and fault ~= "error" and fault or true }
    end
  end
  return list
end

-- nil where what was written since the last time is what is expected, else both as text.
function harness.difference(this, expect)
  local list = wanted(this, expect)
  local made = this.made
  this.made = {}
  return examples.difference(list, made)
end

-- ---- what it keeps ----

-- Builds the key that the values make, or the entry of a map of it, and calls fn with the five arguments that name it.
local function with_key(this, key, map, entry, fn)
  if (map ~= nil and type(map) ~= "string") or (map == nil) ~= (entry == nil) then
    error("a map's name and the key of its entry go together", 0)
  end
  local count = C.sl_harness_key_count(this.pointer)
  if count == 0 then
    error(("%s keeps no state"):format(this.path), 0)
  end
  if type(key) ~= "table" then
    key = { key }
  end
  if #key ~= count then
    error(("the state's key is a list of %d value%s, those of key_by"):format(count, count == 1 and "" or "s"), 0)
  end
  return with_message(this, function()
    local of_function = "[" .. json.encode(key[1], null) .. "]"
    for i = 1, count do
      build.value(C.sl_harness_host(this.pointer), "key", key[i])
    end
    local of_map = map and json.encode(entry, null) or ""
    C.sl_harness_key(this.pointer, of_function, #of_function, map or "", map and #map or 0, of_map, #of_map)
    return fn()
  end)
end

-- What is kept of the key, or of the entry of a map of it; nil: nothing is.
function harness.state(this, key, map, entry)
  return with_key(this, key, map, entry, function()
    local value = C.sl_harness_state(this.pointer)
    if value == nil then
      return nil
    end
    return saved.decode_value(text(value))
  end)
end

local function any(value)
  return value
end

local function when(value)
  local ok, ms = pcall(to_time, value)
  if not ok then
    return nil, ms
  end
  return ms
end

local RESTORED = {
  key = { any, needed = "the values of key_by, as in { 7 }" },
  map = { any },
  entry = { any },
  state = { any, needed = "what was kept" },
  version = { check.whole(1, 2 ^ 31 - 1) },
  window_start = { when },
  window_end = { when },
  rows = { check.whole(1, 2 ^ 31 - 1), default = 1 },
}

-- Puts there what a version of the script has kept of a key, of the entry of a map, or of a window.
function harness.restore(this, what)
  local given = check.options(nil, nil, what, RESTORED)
  if type(given.state) ~= "table" and not given.map then
    error(("state: a table is needed, not %s"):format(check.kind_of(given.state)), 0)
  end
  local value = saved.encode_value(given.state, "state")
  with_key(this, given.key, given.map, given.entry, function()
    local start, finish = given.window_start or 0 / 0, given.window_end or 0 / 0
    if C.sl_harness_restore(this.pointer, value, #value, given.version or 0, start, finish, given.rows) ~= 0 then
      error(last_error(), 0)
    end
  end)
end

return harness
