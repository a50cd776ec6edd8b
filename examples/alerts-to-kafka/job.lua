local sl = require "streamlua"

-- As it stands: a file into SQLite, alerts into another file. With KAFKA_BROKERS and TIDB_HOST in the environment: a topic into a database, alerts
-- into a topic.
local source = sl.source.file { path = "stock.jsonl", format = "json", topic = "stock" }
local alerts = sl.sink.jsonl { path = "alerts.jsonl", identity = true }
local brokers = sl.env("KAFKA_BROKERS", "")
if brokers ~= "" then
  source = sl.source.kafka { brokers = brokers, topics = { "stock" }, format = "json" }
  alerts = sl.sink.kafka { topic = "stock-alerts", key = { "item" } }
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
  name   = "alerts-to-kafka",
  source = source,
  tables = "scripts",
  sink   = sink,
  sinks  = { alerts = alerts },
}
