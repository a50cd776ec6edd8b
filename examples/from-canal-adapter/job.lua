local sl = require "streamlua"

return sl.job {
  name   = "from-canal-adapter",
  source = sl.source.file { path = "changes.jsonl", format = { "canal", zone = "+08:00" } },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
