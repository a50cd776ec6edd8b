-- What runs: where changes come from, which scripts they pass, and where they go. Paths are relative to this file.
local sl = require "streamlua"

return sl.job {
  name   = "@NAME@",                 -- the progress in the target is kept under this name

  source = sl.source.file {          -- a message a line: key, tab, message, as a Kafka topic would hold them
    path          = "sample.jsonl",
    format        = "debezium",
    key_separator = "\t",
  },
  -- From Kafka:
  -- source = sl.source.kafka {
  --   brokers = sl.env("KAFKA_BROKERS", "127.0.0.1:9092"),
  --   topics  = { "shop.*" },
  --   format  = "debezium",
  -- },

  tables = "scripts",                -- one script a table, named after it

  sink   = sl.sink.sqlite { path = "target.db" },
  -- Into TiDB:
  -- sink = sl.sink.tidb {
  --   host = "127.0.0.1", port = 4000, user = "sync", password = sl.env "TIDB_PASSWORD", database = "dw",
  -- },
}
