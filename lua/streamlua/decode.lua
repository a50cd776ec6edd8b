-- The job's own format: sl.format(function(message) ... end), called once for each message of a batch, in one loop.
local ffi = require "ffi"
local build = require "streamlua.build"
local host = require "streamlua.host"
local loop = require "streamlua.loop"
local native = require "streamlua.native"

local C, state, watch = native.C, require("streamlua.row").state, loop.watch

local function text(slice)
  return slice.p ~= nil and ffi.string(slice.p, slice.n) or nil
end

local function headers(message)
  local values = {}
  for i = 0, tonumber(message.header_count) - 1 do
    values[text(message.headers[i].name)] = text(message.headers[i].value)
  end
  return values
end

local function visible(message)
  return {
    value = text(message.value),
    key = text(message.key),
    headers = headers(message),
    topic = text(message.topic),
    partition = message.partition,
    offset = tonumber(message.offset),
    time = tonumber(message.time_ms),
  }
end

-- nil: nothing, counted as ignored; one event, or a list of them.
local function decode(fn, message)
  if message.flaw ~= nil then
    error(ffi.string(message.flaw), 0)
  end
  local made = fn(visible(message))
  if made == nil then
    return
  elseif type(made) == "table" and made[1] ~= nil then
    for _, one in ipairs(made) do
      build.event(message, one)
    end
  else
    build.event(message, made)
  end
end

local function new(fn)
  return function(messages, count)
    for i = 0, count - 1 do
      watch.at = i
      local message = messages[i]
      state.generation = state.generation + 1
      watch.owner, watch.position, watch.serial = message.owner, message.position, state.generation
      local ok, reason = xpcall(decode, loop.traceback, fn, message)
      if not ok and reason == loop.NO_MEMORY and C.sl_built(host.pointer, message) == 0 then
        collectgarbage() -- of what earlier messages left
        ok, reason = xpcall(decode, loop.traceback, fn, message)
      end
      if not ok then
        reason = reason == loop.NO_MEMORY and loop.no_memory() or reason
        C.sl_build_fault(host.pointer, message, reason, #reason)
      end
    end
    watch.serial = 0
  end
end

return { new = new }
