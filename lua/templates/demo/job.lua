-- What runs: where changes come from, which scripts they pass, and where they go. Paths are relative to this file.
local sl = require "streamlua"

return sl.job {
  name   = "demo",                     -- the progress in the target is kept under this name

  source = sl.source.kafka {           -- the demo sets KAFKA_BROKERS to the broker that it brings along
    brokers = sl.env("KAFKA_BROKERS", "127.0.0.1:9092"),
    topics  = { "demo.shop.*" },       -- names or patterns: a topic for each table, as Debezium writes them
    format  = "debezium",
    start   = "earliest",
  },

  tables = "scripts",                  -- one script a table, named after it

  sink   = sl.sink.sqlite { path = "target.db" },
  -- Into TiDB:
  -- sink = sl.sink.tidb {
  --   host = "127.0.0.1", port = 4000, user = "sync", password = sl.env "TIDB_PASSWORD", database = "dw",
  -- },
}
