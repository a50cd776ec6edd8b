-- Timers of a key, by their names. They are kept beside its state (streamlua_state.timers), as JSON:
--   { "event": { "<name>": ms }, "processing": { "<name>": ms }, "expires": when the state counts as empty (ttl) }
local check = require "streamlua.check"
local ffi = require "ffi"
local saved = require "streamlua.state"
local time = require "streamlua.time"

local timer = {
  EVENT = "event", PROCESSING = "processing",
  fired = {}, -- of the timer at hand: name, at, key
}

local MOST, NAME_MOST = 1000, 100

-- What the event at hand may set: { script =, entry =, watermark =, now =, data = (once it is known) }; nil where it may not.
local working

function timer.begin(of)
  working = of
end

-- Another script has its turn in the middle of this one's, which has none: gives what was there, to be given back.
function timer.lend(back)
  local lent = working
  working = back
  return lent
end

-- The timers of an entry: a table, empty where there are none.
function timer.open(entry)
  if entry.timers.n == 0 then
    return {}
  end
  return saved.decode(ffi.string(entry.timers.p, entry.timers.n))
end

local function data_of(what)
  if not working then
    error(("%s: only process(row, state, ctx) and on_timer(state, ctx) set timers"):format(what), 3)
  elseif not working.script.on_timer then
    error(("%s: this script has no function on_timer(state, ctx)"):format(what), 3)
  end
  working.data = working.data or timer.open(working.entry)
  return working.data
end

local function name_of(what, name)
  if name == nil then
    return ""
  elseif type(name) ~= "string" or name == "" or #name > NAME_MOST then
    local given = type(name) == "string" and #name .. " bytes" or check.kind_of(name)
    error(("%s: a timer's name is a text of 1 to %d bytes, not %s"):format(what, NAME_MOST, given), 3)
  end
  return name
end

local function remove(data, name)
  for _, clock in ipairs { timer.EVENT, timer.PROCESSING } do
    local of = data[clock]
    if of and of[name] ~= nil then
      of[name] = nil
      if next(of) == nil then
        data[clock] = nil
      end
    end
  end
end

local function set(what, data, clock, name, at)
  remove(data, name)
  local of, count = data[clock] or {}, 1
  for _ in pairs(of) do
    count = count + 1
  end
  if count > MOST then
    error(("%s: this key has %d timers already, which is the most"):format(what, MOST), 3)
  end
  of[name] = at
  data[clock] = of
end

-- ctx:timer(at, name): at is milliseconds, or a text as of a database.
function timer.set(_, at, name)
  local data, id = data_of "ctx:timer", name_of("ctx:timer", name)
  if type(at) == "string" then
    local ok, ms = pcall(time.parse, at)
    if not ok then
      error("ctx:timer: " .. ms, 2)
    end
    at = ms
  elseif type(at) ~= "number" or at ~= at or math.abs(at) > 8.64e15 then
    error(("ctx:timer: a time is needed, milliseconds or a text, not %s"):format(type(at) == "number" and tostring(at) or check.kind_of(at)), 2)
  end
  at = math.floor(at)
  if working.watermark and at <= working.watermark then
    error(("ctx:timer: %s is in the past: the watermark is %s"):format(time.format(at), time.format(working.watermark)), 2)
  end
  set("ctx:timer", data, timer.EVENT, id, at)
end

-- ctx:timer_in(duration, name): "10s", or milliseconds.
function timer.set_in(_, duration, name)
  local data, id = data_of "ctx:timer_in", name_of("ctx:timer_in", name)
  local ms, reason = duration, nil
  if type(duration) ~= "number" then
    ms, reason = check.duration(duration)
  end
  if not ms or ms ~= ms or ms < 0 or ms > 8.64e15 then
    error("ctx:timer_in: " .. (reason or ("%s is no duration"):format(tostring(duration))), 2)
  end
  set("ctx:timer_in", data, timer.PROCESSING, id, math.floor(working.now + ms))
end

-- ctx:cancel(name): whether there was such a timer.
function timer.cancel(_, name)
  local data, id = data_of "ctx:cancel", name_of("ctx:cancel", name)
  local had = (data.event and data.event[id] or data.processing and data.processing[id]) ~= nil
  remove(data, id)
  return had
end

-- The timer of event time that a kind of script sets itself; at: nil for none. work: as of timer.begin.
function timer.keep(work, name, at)
  local data = work.data or timer.open(work.entry)
  if (data.event and data.event[name]) ~= at then
    remove(data, name)
    if at then
      set("pattern", data, timer.EVENT, name, at)
    end
    work.data = data
  end
end

-- Takes out what is due by that clock: a list of { name =, at = } by time, then name.
function timer.take(data, clock, at)
  local list = {}
  for name, when in pairs(data[clock] or {}) do
    if when <= at then
      list[#list + 1] = { name = name, at = when }
    end
  end
  table.sort(list, function(a, b)
    return a.at < b.at or (a.at == b.at and a.name < b.name)
  end)
  for _, one in ipairs(list) do
    remove(data, one.name)
  end
  return list
end

-- The earliest by that clock; nil: none.
function timer.first(data, clock)
  local first
  for _, at in pairs(data[clock] or {}) do
    first = first and math.min(first, at) or at
  end
  return first
end

-- The text of the column, "" without timers: then `due` alone says when the state expires.
function timer.encode(data)
  if not data.event and not data.processing then
    return ""
  end
  return saved.encode(data, "the key's timers")
end

return timer
