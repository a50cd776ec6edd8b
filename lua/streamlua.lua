-- The module that job.lua and scripts get from require "streamlua". Everything in it is read-only; what is needed from the
-- engine comes from streamlua.host (lua/README.md, "For the host").
local aggregate = require "streamlua.aggregate"
local check = require "streamlua.check"
local codec = require "streamlua.codec"
local decimal = require "streamlua.decimal"
local format = require "streamlua.format"
local host = require "streamlua.host"
local int64 = require "streamlua.int64"
local job = require "streamlua.job"
local json = require "streamlua.json"
local pattern = require "streamlua.pattern"
local readonly = require "streamlua.readonly"
local sink = require "streamlua.sink"
local source = require "streamlua.source"
local streams = require "streamlua.streams"
local test = require "streamlua.test"
local time = require "streamlua.time"
local window = require "streamlua.window"

local null = readonly.sentinel "null"

-- For functions that check what they are told and say where: fn(where, ...).
local function placed(fn)
  return function(where)
    return function(...)
      return fn(where, ...)
    end
  end
end

local function all_placed(functions)
  local result = {}
  for name, fn in pairs(functions) do
    result[name] = placed(fn)
  end
  return result
end

-- For functions of values: an error of theirs is the caller's.
local function blaming_caller(fn)
  return function(...)
    local ok, value = pcall(fn, ...)
    if not ok then
      error(value, 2)
    end
    return value
  end
end

local function all_blaming_caller(functions)
  local result = {}
  for name, fn in pairs(functions) do
    result[name] = blaming_caller(fn)
  end
  return result
end

local function needs_text(what, fn)
  return function(text)
    if type(text) ~= "string" then
      error(("%s: a text is needed, not %s"):format(what, check.kind_of(text)), 0)
    end
    return fn(text)
  end
end

local function text_codec(name, functions)
  return readonly.new("sl." .. name, {
    encode = blaming_caller(needs_text(name .. ".encode", functions.encode)),
    decode = blaming_caller(needs_text(name .. ".decode", functions.decode)),
  })
end

-- sl.env("KAFKA_BROKERS", "127.0.0.1:9092"); where only KAFKA_BROKERS_FILE is set, what stands in the file that it names
local function env(where, name, default)
  if type(name) ~= "string" or name == "" then
    check.fail(where, "env", "the name of a variable is needed, not %s", check.kind_of(name))
  end
  local value, unreadable = host.env(name)
  if unreadable then
    check.fail(where, nil, "the environment variable '%s_FILE': %s", name, unreadable)
  end
  if value == nil then
    value = default
  end
  if value == nil then
    check.fail(where, nil, "the environment variable '%s' is not set (nor %s_FILE), and sl.env has no default for it", name, name)
  end
  return value
end

return readonly.new("sl", {
  null = null,
  source = readonly.new("sl.source", {}, all_placed(source)),
  sink = readonly.new("sl.sink", {}, all_placed(sink)),
  json = readonly.new("sl.json", {
    array = json.array,
    encode = blaming_caller(function(value)
      return json.encode(value, null)
    end),
    decode = blaming_caller(needs_text("json.decode", function(text)
      return json.decode(text, null)
    end)),
  }),
  base64 = text_codec("base64", codec.base64),
  hex = text_codec("hex", codec.hex),
  decimal = readonly.new("sl.decimal", all_blaming_caller(decimal)),
  int64 = readonly.new("sl.int64", all_blaming_caller(int64)),
  time = readonly.new("sl.time", all_blaming_caller { parse = time.parse, format = time.format, convert = time.convert }),
  pattern = readonly.new("sl.pattern", {}, { begin = placed(pattern.begin) }),
  test = readonly.new("sl.test", { case = test.case, harness = test.harness }),
}, {
  job = placed(job.new),
  format = placed(format.new),
  env = placed(env),
  tumbling = placed(window.tumbling),
  hopping = placed(window.hopping),
  session = placed(window.session),
  stream = placed(streams.stream),
  count = placed(aggregate.count),
  sum = placed(aggregate.sum),
  avg = placed(aggregate.avg),
  min = placed(aggregate.min),
  max = placed(aggregate.max),
  first = placed(aggregate.first),
  last = placed(aggregate.last),
  count_distinct = placed(aggregate.count_distinct),
})
