-- sl.source.kafka { ... } and sl.source.file { ... }
local check = require "streamlua.check"
local format = require "streamlua.format"
local kafka = require "streamlua.kafka"
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

local FORMAT_NEEDED = 'write format = "debezium", or another'

local KAFKA = {
  brokers = { kafka.brokers, needed = 'write brokers = "HOST:9092"' },
  topics = { check.texts, needed = 'write topics = { "shop.*" }' },
  group = { check.text },
  format = { format.checker, needed = FORMAT_NEEDED },
  start = { start, default = "earliest" },
  config = { kafka.config(ENGINES_OWN) },
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
