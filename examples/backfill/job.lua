local sl = require "streamlua"

return sl.job {
  name   = "backfill",
  source = sl.source.file { path = { "archive.jsonl", "captured.jsonl" }, envelope = "kcat", format = "debezium" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
