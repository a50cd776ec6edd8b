local sl = require "streamlua"

-- As it stands: a file into SQLite. With KAFKA_BROKERS and TIDB_HOST in the environment: a topic into a database.
local source = sl.source.file { path = "requests.jsonl", format = "json", topic = "requests" }
local brokers = sl.env("KAFKA_BROKERS", "")
if brokers ~= "" then
  source = sl.source.kafka { brokers = brokers, topics = { "requests" }, format = "json" }
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
  name   = "chained-alerts",
  source = source,
  tables = "scripts",
  sink   = sink,
}
