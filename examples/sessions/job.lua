local sl = require "streamlua"

return sl.job {
  name   = "sessions",
  source = sl.source.file { path = "clicks.jsonl", format = "json", topic = "clicks" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
