local sl = require "streamlua"

return sl.job {
  name   = "deduplicate",
  source = sl.source.file { path = "deposits.jsonl", format = "json", topic = "deposits" },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
