-- What sl.test.harness gives: a script in a VM of its own (core/flow/harness.c), fed with events one by one. Each is a transaction of its
-- own; what it writes is kept until the test says what it expects.
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
local inside = setmetatable({}, { __mode = "k" }) -- what a harness has, out of the test's reach

local function text(slice)
  return ffi.string(slice.p, slice.n)
end

local function get(harness, name)
  local this = inside[harness]
  if not this then
    error(("write h:%s(...)"):format(name), 3)
  elseif this.closed then
    error(("h:%s: this harness ended with the sl.test.case that made it"):format(name), 3)
  end
  return this
end

-- The line of the test that calls.
local function caller()
  local info = debug.getinfo(3, "Sl")
  return ("%s:%d"):format(info.source:sub(2), info.currentline)
end

-- Between the two no error may pass.
local function with_message(this, fn, ...)
  local message = C.sl_harness_begin(this.pointer)
  local ok, value = pcall(fn, this, message, ...)
  C.sl_harness_end(this.pointer)
  return ok, value
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
  build.event(message, made, C.sl_harness_host(this.pointer))
  local ran = C.sl_harness_run(this.pointer, this.now or os.time() * 1000)
  if ran == nil then
    error(ffi.string(C.sl_error(host.pointer)), 0)
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
  local ok, more
  repeat
    ok, more = with_message(this, fire)
    if not ok then
      error(more, 0)
    end
  until not more
end

local function act(harness, name, fn, ...)
  local this = get(harness, name)
  local ok, reason = pcall(fn, this, ...)
  if ok then
    ok, reason = pcall(settle, this)
  end
  if not ok then
    error(("h:%s: %s"):format(name, tostring(reason)), 3)
  end
end

local methods = {}

function methods.feed(harness, event)
  get(harness, "feed").at = caller()
  act(harness, "feed", function(this)
    local ok, reason = with_message(this, run, event)
    if not ok then
      error(reason, 0)
    end
  end)
  return nil
end

-- The watermark comes to this time: milliseconds, or a text as of a database.
function methods.advance_to(harness, at)
  get(harness, "advance_to").at = caller()
  act(harness, "advance_to", function(this)
    local ms = type(at) == "string" and time.parse(at) or at
    if type(ms) ~= "number" or ms ~= ms then
      error("a time is needed, milliseconds or a text", 0)
    end
    C.sl_harness_advance(this.pointer, ms)
  end)
  return nil
end

-- The clock goes on by a duration.
function methods.wait(harness, duration)
  get(harness, "wait").at = caller()
  act(harness, "wait", function(this)
    local ms, reason = check.duration(duration)
    if not ms then
      error(reason, 0)
    end
    this.now = (this.now or os.time() * 1000) + ms
  end)
  return nil
end

-- The input ends, as that of a file: windows close, timers fire. More may be fed, as in a later run.
function methods.finish(harness)
  get(harness, "finish").at = caller()
  act(harness, "finish", function(this)
    C.sl_harness_finish(this.pointer, true)
    settle(this)
    C.sl_harness_finish(this.pointer, false)
  end)
  return nil
end

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

function methods.expect(harness, expect)
  local this = get(harness, "expect")
  local ok, list = pcall(wanted, this, expect)
  if not ok then
    error("h:expect: " .. list, 2)
  end
  local made = this.made
  this.made = {}
  local differs = examples.difference(list, made)
  if differs then
    error(differs, 2)
  end
end

-- ---- what it keeps ----

local function find(this, _, key, map, entry)
  local count = C.sl_harness_key_count(this.pointer)
  if count == 0 then
    error(("%s keeps no state"):format(this.path), 0)
  end
  if type(key) ~= "table" then
    key = { key }
  end
  if #key ~= count then
    error(("the state's key has %d value%s, as in h:state { 7 }"):format(count, count == 1 and "" or "s"), 0)
  end
  local of_function = "[" .. json.encode(key[1], null) .. "]"
  for i = 1, count do
    build.value(C.sl_harness_host(this.pointer), "key", key[i])
  end
  local of_map = map and json.encode(entry, null) or ""
  local value = C.sl_harness_state(this.pointer, of_function, #of_function, map or "", map and #map or 0, of_map, #of_map)
  if value == nil then
    return nil
  end
  return saved.decode_value(text(value))
end

-- h:state { 7 }, or an entry of a map: h:state({ 7 }, "seen", "a").
function methods.state(harness, key, map, entry)
  local this = get(harness, "state")
  if (map ~= nil and type(map) ~= "string") or (map == nil) ~= (entry == nil) then
    error("h:state(key, map, entry): a map's name and the key of its entry go together", 2)
  end
  local ok, value = with_message(this, find, key, map, entry)
  if not ok then
    error("h:state: " .. tostring(value), 2)
  end
  return value
end

function methods.restart(harness)
  local this = get(harness, "restart")
  if C.sl_harness_restart(this.pointer) ~= 0 then
    error("h:restart: " .. ffi.string(C.sl_error(host.pointer)), 2)
  end
end

local META = {
  __index = function(_, name)
    return methods[name] or
      error(("a harness has no '%s': it has feed, advance_to, wait, finish, expect, state and restart"):format(tostring(name)), 2)
  end,
  __newindex = function(_, name)
    error(("h.%s is assigned: a harness is read-only"):format(tostring(name)), 2)
  end,
  __metatable = "protected",
}

-- ---- finding the script ----

local function plain(path)
  return (path:gsub("^%./", ""):gsub("/+$", ""))
end

-- Whether the job has this script, and the table that it names for it.
local function of_job(job, path)
  for served, of in pairs(job.tables.map or {}) do
    if plain(of) == path then
      return of, served
    end
  end
  local folder = job.tables.folder
  local name = folder and path:sub(1, #plain(folder) + 1) == plain(folder) .. "/" and path:sub(#plain(folder) + 2)
  if name and not name:find "/" and not name:find "_test%.lua$" and host.read(folder .. "/" .. name) then
    return folder .. "/" .. name
  end
end

-- test_path: of the file that asks; its folder is the second where the script is looked for. nil and why.
local function new(path, test_path, job)
  local beside = plain((test_path:match "^(.*/)" or "") .. plain(path))
  local found, served = of_job(job, plain(path))
  if not found then
    found, served = of_job(job, beside)
  end
  if not found then
    return nil, ("the job has no script %s, and none %s"):format(path, beside)
  end
  local pointer = C.sl_harness_new(host.pointer, found, served)
  if pointer == nil then
    return nil, ffi.string(C.sl_error(host.pointer))
  end
  local harness = setmetatable({}, META)
  inside[harness] = { pointer = pointer, path = found, made = {} }
  return harness
end

-- What nobody expected and nobody may overlook, or nil.
local function close(harness)
  local this = inside[harness]
  C.sl_harness_close(this.pointer)
  this.closed = true
  for _, one in ipairs(this.made) do
    if one.error then
      return ("%s: this event became a dead letter, and no h:expect says so: %s"):format(one.at, one.error)
    end
  end
end

return { new = new, close = close }
