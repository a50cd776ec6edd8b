local sl = require "streamlua"

return sl.job {
  name   = "currency",
  source = sl.source.file { path = "payments.jsonl", format = "json", topic = "payments" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
