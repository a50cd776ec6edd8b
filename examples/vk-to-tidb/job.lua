local sl = require "streamlua"

local TOPICS = "^vk%." -- of all that was captured, these
local OPS = { INSERT = "insert", UPDATE = "update", DELETE = "delete" }

-- A record is { eventType, primaryKeys, before, after, executeTime }; which table it is of stands in a Kafka header.
local function event_record(message)
  if not message.topic:find(TOPICS) or not message.value then
    return nil -- counted as ignored
  end
  local name = message.headers.table
  if not name then
    return { row = { record = message.value } } -- no table: scripts/DEFAULT_TABLE_KEY.lua takes it
  end

  local record = sl.json.decode(message.value)
  local op = OPS[record.eventType]
  if not op then
    error(("eventType %s is not known"):format(tostring(record.eventType))) -- a dead letter
  end
  local function image(values)
    return values ~= sl.null and values or nil -- JSON's null is sl.null
  end
  local database, table_name = name:match "^([^.]+)%.(.+)$"
  return {
    op = op,
    database = database,
    table = table_name or name,
    row = image(record.after),
    old = image(record.before),
    key = record.primaryKeys,
    time = record.executeTime,
  }
end

local format = sl.format(event_record)

-- As it stands: a file into SQLite. With KAFKA_BROKERS and TIDB_HOST in the environment: the real job.
local source = sl.source.file { path = "records.jsonl", envelope = "kcat", format = format }
local brokers = sl.env("KAFKA_BROKERS", "")
if brokers ~= "" then
  source = sl.source.kafka { brokers = brokers, topics = { "vk.*" }, format = format }
end

local sink = sl.sink.sqlite { path = "target.db" }
local host = sl.env("TIDB_HOST", "")
if host ~= "" then
  sink = sl.sink.tidb {
    host = host, port = tonumber(sl.env("TIDB_PORT", "4000")),
    user = sl.env("TIDB_USER", "sync"), password = sl.env("TIDB_PASSWORD", ""), database = sl.env("TIDB_DATABASE", "dw"),
  }
end

return sl.job {
  name     = "vk-to-tidb",
  source   = source,
  tables   = "scripts",
  sink     = sink,
  park_for = "10m", -- how long a delivery waits for its order
}
