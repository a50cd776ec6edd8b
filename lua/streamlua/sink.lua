-- sl.sink.tidb { ... } and its like.
local check = require "streamlua.check"
local kafka = require "streamlua.kafka"
local tag = require "streamlua.tag"

local TLS = {
  ca = { check.text },
  cert = { check.text },
  key = { check.text },
  verify = { check.boolean, default = true },
}

-- true is TLS with the system's authorities, false none.
local function tls(value)
  if type(value) == "boolean" then
    return value and { verify = true } or nil
  end
  local ok, result = pcall(check.options, nil, nil, value, TLS)
  if not ok then
    return nil, result
  elseif (result.cert == nil) ~= (result.key == nil) then
    return nil, "cert and key come together"
  end
  return result
end

-- tidb, mysql and mariadb are one sink: one protocol, three ports and three sets of session variables.
local function server(kind, port)
  local known = {
    host = { check.text },
    port = { check.whole(1, 65535), default = port },
    socket = { check.text },
    user = { check.text, needed = true },
    password = { check.any_text, default = "" },
    database = { check.text, needed = true },
    lanes = { check.whole(1, 64), default = 8 },
    connect_timeout = { check.duration },
    read_timeout = { check.duration },
    tls = { tls },
  }
  return function(where, options)
    local result = check.options(where, "sink." .. kind, options, known)
    if result.socket and result.host then
      check.fail(where, "sink." .. kind, "host and socket are two ways to one server: leave one out")
    elseif not result.socket then
      result.host = result.host or "127.0.0.1"
    end
    result.kind = kind
    return tag.set(result, "sink")
  end
end

local function simple(kind, known)
  return function(where, options)
    local result = check.options(where, "sink." .. kind, options, known)
    result.kind = kind
    return tag.set(result, "sink")
  end
end

local function topic(value)
  local text, reason = check.text(value)
  if text and not text:find "^[%w._-]+$" then
    return nil, ("'%s' can be no topic's name"):format(text)
  end
  return text, reason
end

local KEY_MOST = 16 -- of a target's columns

local function key(value)
  local columns, reason = check.texts(value)
  if columns and #columns > KEY_MOST then
    return nil, ("at most %d columns"):format(KEY_MOST)
  end
  return columns, reason
end

local KAFKA = {
  key = { key },
  topic = { topic }, -- a side sink without one writes to topics by the names that scripts give
  brokers = { kafka.brokers }, -- default: the source's, which the job knows
  config = { kafka.config { ["bootstrap.servers"] = "brokers", ["metadata.broker.list"] = "brokers" }, default = {} },
}

return {
  kafka = simple("kafka", KAFKA),
  tidb = server("tidb", 4000),
  mysql = server("mysql", 3306),
  mariadb = server("mariadb", 3306),
  sqlite = simple("sqlite", { path = { check.text, needed = 'write path = "FILE"' } }),
  jsonl = simple("jsonl", { path = { check.text, default = "-" }, identity = { check.boolean } }),
  blackhole = simple("blackhole", {}),
}
