local sl = require "streamlua"

local OPS = { INSERT = "insert", UPDATE = "update", DELETE = "delete" }

-- A record is { eventType, before, after, executeTime }; which table it is of stands in a Kafka header.
local function event_record(message)
  local name = message.headers.table
  if not name or not message.value then
    return { row = { record = message.value or sl.null } } -- no table: DEFAULT_TABLE_KEY takes it
  end

  local record = sl.json.decode(message.value)
  local op = OPS[record.eventType]
  if not op then
    return nil -- a heartbeat: nothing to do, and counted as ignored
  end
  local function image(values)
    return values ~= sl.null and values or nil -- JSON's null is sl.null
  end
  local database, table_name = name:match "^([^.]+)%.(.+)$"
  return {
    op = op,
    database = database,
    table = table_name,
    row = image(record.after),
    old = image(record.before),
    key = { "id" },
    time = record.executeTime,
  }
end

return sl.job {
  name   = "event-record",
  source = sl.source.file { path = "events.jsonl", envelope = "kcat", format = sl.format(event_record) },
  tables = "scripts",
  sink   = sl.sink.sqlite { path = "target.db" },
}
