local sl = require "streamlua"

return sl.job {
  name   = "events-per-minute",
  source = sl.source.file { path = "views.jsonl", format = "json", topic = "views" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
