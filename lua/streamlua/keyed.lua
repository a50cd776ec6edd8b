-- What process and windows have in common: the key of an event and its row of streamlua_state, and when the event happened.
local ffi = require "ffi"
local context = require "streamlua.context"
local host = require "streamlua.host"
local json = require "streamlua.json"
local native = require "streamlua.native"
local null = require("streamlua").null
local row = require "streamlua.row"
local saved = require "streamlua.state"
local time = require "streamlua.time"

local C, current = native.C, row.state

local keyed = {
  NEVER = 0 / 0, -- of what is never due
  opened = nil, -- the entry that the event at hand works on
}

local MS_MOST = 8.64e15 -- a hundred million days around the epoch: core/flow/script_time.c

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
  local key = key_text(row.without_lookups(script.key_by, row.new(current.generation, row.NEW), context))
  local old = key
  if event.op == native.UPDATE and event.old.shape ~= nil then
    old = key_text(row.without_lookups(script.key_by, row.new(current.generation, row.OLD), context))
  end
  if C.sl_state_keys(event, key, #key, old, #old) ~= 0 then
    fail()
  end
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

local function open(script, event, entry)
  saved.refuse_newer(event, entry, script.version)
  return saved.open(entry, script.version, script.upgrades)
end

-- Times beyond what Lua calls one, of messages that say nonsense, are none.
local function ms_of(number)
  number = tonumber(number)
  return number ~= 0 and math.abs(number) < MS_MOST and number or nil
end

-- When the event (old: its old image, which `this` is then) happened, in milliseconds; nil where nothing says so.
local function event_time(script, event, this, old)
  local spec = script.time
  local quick = C.sl_time(event, old or false)
  if quick == quick then
    return quick
  elseif not spec then
    return ms_of(event.time_ms) or ms_of(event.message.time_ms)
  end
  local value
  if spec.call then
    value = spec.call(this, context)
  else
    value = this[spec.column]
  end
  if type(value) == "string" then
    return time.parse_of(spec.what, value)
  elseif type(value) == "number" and math.abs(value * spec.factor) < MS_MOST then -- and it is not NaN
    return math.floor(value * spec.factor)
  end
  error(("%s %s: milliseconds or a text such as 2024-01-31 12:00:00 is needed"):format(spec.what,
    value ~= nil and ("has %s, which is no time"):format(tostring(value)) or spec.call and "returned nil" or "is missing, or NULL"), 0)
end

-- The partition's largest event time before this event; nil where there is none. One that lies too far ahead of the message's time and the
-- clock's does not move it: it would make everything that comes after it late.
local function clock(script, event, at)
  local most = math.max(current.now, tonumber(event.message.time_ms)) + script.ahead
  if at > most and not event.clocked then
    if script.on_ahead == "dead-letter" then
      error(("time: %s lies more than %d s ahead (watermark.ahead)"):format(time.format(at), script.ahead / 1000), 0)
    end
    C.sl_count_late(event, true)
  end
  local before = C.sl_clock(event, at, most)
  return before == before and before or nil
end

-- An event that was done before the worker's restart: all that is still to be known is how far it moved its partition's clock.
local function pass(script, event)
  local this = row.new(current.generation, row.NEW)
  if script.uses_time and not (script.filter and not script.filter(this, context)) then
    local at = event_time(script, event, this)
    if at then
      clock(script, event, at)
    end
  end
end

-- The watermark where a timer is fired; nil: there is none yet.
local function event_watermark(script, event)
  local ms = tonumber(event.clock_ms)
  return ms > -2 ^ 62 and ms - script.out_of_order or nil
end

-- The watermark of the other partitions that the event's key may have events in. Where a key's events are all of one, that one's counts alone,
-- and what happens does not depend on how far the others are.
local function others(script, event)
  return event.spans and current.others - script.out_of_order or math.huge
end

-- Bytes stand in a key as "x'...'" (core/flow/state_key.c).
local function plain(value)
  local hex = type(value) == "string" and value:match "^x'(%x*)'$"
  return hex and (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)) or value
end

-- The key of an entry: its columns by their names, NULLs as `nothing`; or what a key_by function made.
local function key_of(script, entry, nothing)
  local values = saved.decode(ffi.string(entry.key.p, entry.key.n))
  if type(script.key_by) == "function" then
    return values[1]
  end
  local named = {}
  for i, name in ipairs(script.key_by) do
    if values[i] == null then
      named[name] = nothing
    else
      named[name] = plain(values[i])
    end
  end
  return named
end

keyed.pass, keyed.fail, keyed.set_keys, keyed.main_entry, keyed.open = pass, fail, set_keys, main_entry, open
keyed.event_time, keyed.clock, keyed.watermark, keyed.others, keyed.key_of = event_time, clock, event_watermark, others, key_of

return keyed
