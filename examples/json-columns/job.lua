local sl = require "streamlua"

return sl.job {
  name   = "json-columns",
  source = sl.source.file { path = "changes.jsonl", format = "debezium", key_separator = "\t" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
