-- sl.source.kafka { ... } and sl.source.file { ... }
local check = require "streamlua.check"
local format = require "streamlua.format"
local tag = require "streamlua.tag"

local source = {}

-- "earliest", "latest", a time, or "-2h". That the day exists is for the source to find out.
local function start(value)
  local text, reason = check.text(value)
  if not text then
    return nil, reason
  elseif text == "earliest" or text == "latest" then
    return text
  elseif text:find "^%-" and check.duration(text:sub(2)) then
    return text
  elseif text:find "^%d%d%d%d%-%d%d%-%d%d[Tt ]%d%d:%d%d:%d%d[%.%d]*[Zz]$" or
      text:find "^%d%d%d%d%-%d%d%-%d%d[Tt ]%d%d:%d%d:%d%d[%.%d]*[+-]%d%d:%d%d$" then
    return text
  end
  return nil, ("'%s' is no start: write earliest, latest, 2024-01-31T12:00:00Z or -2h"):format(text)
end

-- What the engine sets itself, and the option that says it instead.
local ENGINES_OWN = {
  ["bootstrap.servers"] = "brokers",
  ["metadata.broker.list"] = "brokers",
  ["group.id"] = "group",
  ["auto.offset.reset"] = "start",
}

local function config(value)
  if type(value) ~= "table" then
    return nil, ("a table of librdkafka properties is needed, not %s"):format(check.kind_of(value))
  end
  local result = {}
  for name, setting in pairs(value) do
    local kind = type(setting)
    if type(name) ~= "string" then
      return nil, 'each property has a name: { ["security.protocol"] = "SASL_SSL" }'
    elseif ENGINES_OWN[name] then
      return nil, ("'%s' is said by the option '%s'"):format(name, ENGINES_OWN[name])
    elseif kind == "number" then
      result[name] = setting == math.floor(setting) and ("%.0f"):format(setting) or tostring(setting)
    elseif kind == "string" or kind == "boolean" then
      result[name] = tostring(setting)
    else
      return nil, ("'%s': a text, a number or a boolean is needed, not %s"):format(name, check.kind_of(setting))
    end
  end
  return result
end

local function brokers(value)
  local list, reason = check.texts(value)
  if not list then
    return nil, reason
  end
  return table.concat(list, ",")
end

local FORMAT_NEEDED = 'write format = "debezium", or another'

local KAFKA = {
  brokers = { brokers, needed = 'write brokers = "HOST:9092"' },
  topics = { check.texts, needed = 'write topics = { "shop.*" }' },
  group = { check.text },
  format = { format.checker, needed = FORMAT_NEEDED },
  start = { start, default = "earliest" },
  config = { config },
}

function source.kafka(where, options)
  local result = check.options(where, "source.kafka", options, KAFKA)
  result.config = result.config or {}
  result.kind = "kafka"
  return tag.set(result, "source")
end

local FILE = {
  path = { check.texts, needed = 'write path = "FILE", or "-" for stdin' },
  format = { format.checker, needed = FORMAT_NEEDED },
  key_separator = { check.text },
  envelope = { check.choice "kcat" },
  topic = { check.text },
}

function source.file(where, options)
  local result = check.options(where, "source.file", options, FILE)
  if result.envelope and (result.key_separator or result.topic) then
    check.fail(where, "source.file", "an envelope has keys and topics of its own: '%s' is not for it",
      result.key_separator and "key_separator" or "topic")
  end
  result.kind, result.paths, result.path = "file", result.path, nil
  return tag.set(result, "source")
end

return source
