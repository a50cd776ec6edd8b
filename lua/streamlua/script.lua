-- What a table script returns, checked, with its defaults filled in: which tables it serves, and what it does with their rows.
local check = require "streamlua.check"
local example_form = require "streamlua.example_form"
local lookup = require "streamlua.lookup"
local nearest = require "streamlua.nearest"
local patterns = require "streamlua.pattern"
local tag = require "streamlua.tag"

local NAME_MOST = 96 -- streamlua_state.script
local DEFAULT_TABLE = "DEFAULT_TABLE_KEY" -- serves the events that name no table

local function key_by(value)
  if type(value) == "function" then
    return value
  elseif type(value) == "table" then
    return check.texts(value)
  elseif value == "table" or value == "row" then
    return value
  elseif type(value) == "string" then
    local found = nearest.find(value, { "table", "row" })
    return nil, ("'%s' is neither 'table' nor 'row': "):format(value) ..
      (found and ("did you mean '%s'?"):format(found) or ("a column goes into a list, { '%s' }"):format(value))
  end
  return nil, ("'table', 'row', a list of columns or a function is needed, not %s"):format(check.kind_of(value))
end

-- { id = "id", sku = function(row) ... end, "name" } -> { { target = "id", source = "id" }, { target = "sku", call = fn } ... },
-- the same order every time: listed ones first, then by name.
local function columns(value)
  if type(value) ~= "table" then
    return nil, ("a table of columns is needed, not %s"):format(check.kind_of(value))
  elseif next(value) == nil then
    return nil, "it names no column: leave it out to copy all columns of the same name"
  end

  local list, named, seen = {}, {}, {}
  for i, name in ipairs(value) do
    local text, reason = check.text(name)
    if not text then
      return nil, ("item %d: %s"):format(i, reason)
    elseif seen[text:lower()] then
      return nil, ("'%s' is in it twice"):format(text)
    end
    seen[text:lower()] = true
    list[i] = { target = text, source = text }
  end
  for name in pairs(value) do
    if type(name) == "string" then
      named[#named + 1] = name
    elseif not list[name] then
      return nil, ("[%s]: a column has a name"):format(tostring(name))
    end
  end
  table.sort(named)
  for _, name in ipairs(named) do
    local from = value[name]
    if name == "" then
      return nil, "a column's name is an empty text"
    elseif seen[name:lower()] then -- names of columns match without regard to case
      return nil, ("'%s' is in it twice"):format(name)
    elseif type(from) ~= "function" and type(from) ~= "string" then
      return nil, ("%s: the name of a source column or a function(row) is needed, not %s"):format(name, check.kind_of(from))
    elseif from == "" then
      return nil, ("%s: the source column's name is an empty text"):format(name)
    end
    seen[name:lower()] = true
    list[#list + 1] = { target = name, [type(from) == "string" and "source" or "call"] = from }
  end
  return list
end

-- state = { ttl = "7d", version = 2 }
local KEEPING = {
  ttl = { check.duration },
  version = { check.whole(1, 2 ^ 31 - 1), default = 1 },
}

local function keeping(value)
  local ok, result = pcall(check.options, nil, nil, value, KEEPING)
  if not ok then
    return nil, result
  end
  return result
end

-- watermark = { out_of_order = "10s", idle_after = "1m", ahead = "1d", on_ahead = "dead-letter" }
local WATERMARK = {
  out_of_order = { check.duration },
  idle_after = { check.duration, default = 60 * 1000 },
  ahead = { check.duration, default = 24 * 60 * 60 * 1000 },
  on_ahead = { check.choice("count", "dead-letter"), default = "count" },
}

local function watermark(value)
  local ok, result = pcall(check.options, nil, nil, value, WATERMARK)
  if not ok then
    return nil, result
  end
  return result
end

-- time = "created_at", a function(row, ctx), or { "ts", unit = "s" }: comes to { column =, call =, factor =, what = for messages }.
local UNITS = { s = 1000, ms = 1, us = 1e-3, ns = 1e-6 }

local function event_time(value)
  if type(value) == "function" then
    return { call = value, factor = 1, what = "time: the function" }
  elseif type(value) == "string" and value ~= "" then
    return { column = value, factor = 1, what = "time: column " .. value }
  elseif type(value) == "table" and type(value[1]) == "string" then
    for name in pairs(value) do
      if name ~= 1 and name ~= "unit" then
        return nil, ("unknown option '%s'%s"):format(tostring(name), nearest.hint(tostring(name), { "unit" }))
      end
    end
    if not UNITS[value.unit or "ms"] then
      return nil, ("unit: '%s' is none of 's', 'ms', 'us', 'ns'"):format(tostring(value.unit))
    end
    return { column = value[1], factor = UNITS[value.unit or "ms"], what = "time: column " .. value[1] }
  end
  return nil, ('a column, a function(row, ctx) or { "ts", unit = "s" } is needed, not %s'):format(check.kind_of(value))
end

-- A stream, or what `else_check` says of anything else.
local function or_stream(else_check)
  return function(value)
    if tag.get(value) == "stream" then
      return value
    elseif type(value) == "string" and value:find "^stream:" then
      return nil, ('a stream is sl.stream "%s"'):format(value:sub(#"stream:" + 1))
    end
    return else_check(value)
  end
end

local function window(value)
  if tag.get(value) == "window" then
    return value
  end
  return nil, ('sl.tumbling("1m"), sl.hopping("5m", "1m") or sl.session("30m") is needed, not %s'):format(check.kind_of(value))
end

local function pattern(value)
  if tag.get(value) == "pattern" then
    return patterns.compile(value)
  end
  return nil, ("sl.pattern.begin(name, function(row) ... end) is needed, not %s"):format(check.kind_of(value))
end

-- { views = sl.count() } comes to a list of { name =, aggregate = }, by name.
local function aggregates(value)
  if type(value) ~= "table" or next(value) == nil then
    return nil, "columns are needed, as in { views = sl.count(), seconds = sl.sum 'dwell' }"
  end
  local list = {}
  for name, one in pairs(value) do
    if type(name) ~= "string" then
      return nil, ("[%s]: a column has a name"):format(tostring(name))
    elseif tag.get(one) ~= "aggregate" then
      return nil, ("%s: sl.count(), sl.sum 'column' or another of them is needed, not %s"):format(name, check.kind_of(one))
    end
    list[#list + 1] = { name = name, aggregate = one }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

local MERGES = { sum = true, max = true, min = true, set = true }

-- merge = { n = "sum", last_seen = "max" } comes to a list of { column =, kind = }, by name; of a window it is a function.
local function merge(value)
  if type(value) == "function" then
    return value
  elseif type(value) ~= "table" or next(value) == nil then
    return nil, ('columns are needed, as in { n = "sum", last_seen = "max" }, or of a window a function, not %s')
      :format(type(value) == "table" and "an empty table" or check.kind_of(value))
  end
  local list, seen = {}, {}
  for name, kind in pairs(value) do
    if type(name) ~= "string" or name == "" then
      return nil, ("[%s]: a column has a name"):format(tostring(name))
    elseif type(kind) ~= "string" or not MERGES[kind] then
      return nil, ("%s: '%s' is none of 'sum', 'max', 'min', 'set'%s"):format(name, tostring(kind), nearest.hint(kind, MERGES))
    elseif seen[name:lower()] then
      return nil, ("'%s' is in it twice"):format(name)
    end
    seen[name:lower()] = true
    list[#list + 1] = { column = name, kind = kind }
  end
  table.sort(list, function(a, b) return a.column < b.column end)
  return list
end

-- shard = { column = "shard", count = 16 }
local SHARD = {
  column = { check.text, needed = true },
  count = { check.whole(2, 128), needed = true },
}

local function shard(value)
  local ok, result = pcall(check.options, nil, nil, value, SHARD)
  if not ok then
    return nil, result
  end
  return result
end

local function topic_name(value)
  local text, reason = check.text(value)
  if text and (#text > 249 or text:find "[^%w._-]" or text == "." or text == "..") then
    return nil, ("'%s' can be no topic's name"):format(text)
  end
  return text, reason
end

local REPARTITION = {
  topic = { topic_name, needed = "it goes through one" },
  partitions = { check.whole(1, 100000) },
  retention = { check.duration, default = 7 * 24 * 3600 * 1000 },
}

-- repartition = "topic", or { topic = "topic", partitions = 12, retention = "7d" }
local function repartition(value)
  local ok, result = pcall(check.options, nil, nil, type(value) == "string" and { topic = value } or value, REPARTITION)
  if not ok then
    return nil, result
  end
  return result
end

local FIELDS = {
  source = { or_stream(check.texts) },
  target = { or_stream(check.text) },
  columns = { columns },
  filter = { check.func },
  where = { check.func },
  map = { check.func },
  key = { check.texts },
  key_by = { key_by },
  write = { check.choice("upsert", "update"), default = "upsert" },
  on_error = { check.choice("dead-letter", "stop", "skip"), default = "dead-letter" },
  park_for = { check.duration },
  owns = { check.texts },
  examples = { example_form.list },
  process = { check.func },
  state = { keeping },
  upgrade = { check.func },
  on_timer = { check.func },
  time = { event_time },
  watermark = { watermark },
  window = { window },
  aggregate = { aggregates },
  add = { check.func },
  sub = { check.func },
  merge = { merge },
  shard = { shard },
  result = { check.func },
  late = { check.func },
  lookup = { lookup.list },
  pattern = { pattern },
  match = { check.func },
  emit = { check.choice("changes", "final") },
  repartition = { repartition },
}

local function check_names(script, path)
  local unknown = {}
  for name in pairs(script) do
    if not FIELDS[name] then
      unknown[#unknown + 1] = tostring(name)
    end
  end
  table.sort(unknown)
  if unknown[1] then
    error(("%s: unknown field '%s'%s"):format(path, unknown[1], nearest.hint(unknown[1], FIELDS)), 0)
  end
end

-- columns, map and owns: which of them says what the whole row is.
local function check_row(script, path)
  if script.columns and script.map then
    check.fail(path, "map", "a script has columns or map, not both: map returns the whole row")
  end
  if not script.owns then
    return
  end
  if not script.columns and not script.map and not script.process and not script.pattern then
    check.fail(path, "owns", "it names the columns that map or columns write, and the script has neither")
  end
end

-- merge as columns: what is added to rows.
local function check_merge(script, path)
  local merges = type(script.merge) == "table" and script.merge
  if script.shard and not merges then
    check.fail(path, "shard", 'it is for merge = { n = "sum" }: rows that are added up are kept in several')
  elseif not merges then
    return
  end
  for _, name in ipairs { "window", "process" } do
    if script[name] then
      check.fail(path, "merge", "it adds to rows without any state, and a script with %s counts in its state: leave one of them out", name)
    end
  end
  if script.write == "update" then
    check.fail(path, "merge", 'it makes the row where there is none: leave write = "update" out')
  elseif script.owns then
    check.fail(path, "merge", "the script writes the columns that it gives, and no others: leave owns out")
  end
  local given = {}
  for _, column in ipairs(script.columns or {}) do
    given[column.target:lower()] = true
  end
  for _, one in ipairs(merges) do
    if script.columns and not given[one.column:lower()] then
      check.fail(path, "merge", "columns does not give %s%s", one.column, nearest.hint(one.column, given))
    end
  end
  if script.shard and given[script.shard.column:lower()] then
    check.fail(path, "shard", "columns gives %s, which is filled by the engine", script.shard.column)
  end
end

local function check_window(script, path)
  if not script.window then
    for _, name in ipairs { "aggregate", "add", "sub", "merge", "result", "late", "emit" } do
      if script[name] then
        check.fail(path, name, "it is for windows: window = sl.tumbling('1m')")
      end
    end
    return
  elseif script.on_timer then
    check.fail(path, "on_timer", "it is for process: a window has its own time")
  elseif script.process then
    check.fail(path, "window", "a script has process or a window, not both")
  elseif script.watermark and script.watermark.out_of_order and script.window.out_of_order > 0 then
    check.fail(path, "watermark", "out_of_order is said twice: by the window, too")
  elseif script.state and script.state.ttl then
    check.fail(path, "state", "a window forgets by itself: ttl is for process")
  elseif (script.aggregate == nil) == (script.add == nil) then
    check.fail(path, "aggregate", "a window has aggregate = { ... }, or the functions add, sub, merge and result")
  elseif script.aggregate and (script.sub or script.merge or script.result) then
    check.fail(path, "aggregate", "add, sub, merge and result are for windows without aggregate")
  elseif script.add and script.window.kind == "session" and not script.merge then
    check.fail(path, "merge", "an event may make one session of two: merge(a, b) is needed")
  elseif type(script.key_by) == "function" then
    check.fail(path, "key_by", 'the columns of a window\'s key are written with it: name them, as in key_by = { "page" }')
  end
  for _, column in ipairs(script.columns or {}) do
    if column.call then
      check.fail(path, "columns", "%s: a window's columns are names, of key_by, aggregates, window_start and window_end", column.target)
    end
  end
end

local function check_pattern(script, path)
  if not script.pattern then
    if script.match then
      check.fail(path, "match", "it is for patterns: pattern = sl.pattern.begin(...)")
    end
    return
  end
  for _, name in ipairs { "process", "window", "on_timer", "state", "upgrade" } do
    if script[name] then
      check.fail(path, name, "a pattern keeps its partial matches by itself: %s does not go with it", name)
    end
  end
  if not script.match then
    check.fail(script.pattern.where, "pattern", "it needs a function match(match, ctx), which says what becomes of what is found")
  end
end

-- Of what an older version of the script kept, upgrade makes what this one expects.
local function check_version(script, path)
  local version = script.state and script.state.version or 1
  if script.aggregate and (script.upgrade or version > 1) then
    check.fail(path, script.upgrade and "upgrade" or "state",
      "what the built-in aggregates keep has no version: that is for process, and for windows with add")
  elseif version > 1 and not script.upgrade then
    check.fail(path, "state",
      "version %d needs a function upgrade(state, from): it makes of what an older version kept what this one expects", version)
  elseif script.upgrade and version == 1 then
    check.fail(path, "upgrade", "it is for rows of an older version: state = { version = 2 }")
  end
end

-- What a script without state may say of a stream that it writes, for readers that keep some.
local HEADS = { time = true, watermark = true, repartition = true }

-- What only makes sense with state, and what does not go with it.
local function check_state(script, path)
  check_pattern(script, path)
  if not script.process and not script.window and not script.pattern then
    for _, name in ipairs {
      "repartition", "state", "upgrade", "time", "watermark", "on_timer", "aggregate", "add", "sub", "merge", "result", "late", "emit",
    } do
      if script[name] and not (script.to_stream and not script.reads and HEADS[name]) then
        check.fail(path, name, "it is for scripts that keep state: they have a function process(row, state, ctx), a window or a pattern")
      end
    end
    return
  end
  check_window(script, path)
  check_version(script, path)
  local file = path:match "([^/]+)$"
  if #file > NAME_MOST + #".lua" then
    check.fail(path, nil, "the name of a script that keeps state has at most %d bytes: its rows are kept by it", NAME_MOST)
  end
  for _, name in ipairs { "map", "columns", "where" } do
    if script[name] and not (name == "columns" and script.window) then
      local what = script.pattern and "match" or "process"
      check.fail(path, name, "a script has %s or %s, not both: %s returns the row of `target`, or uses ctx:emit", what, name, what)
    end
  end
  if script.write == "update" then
    check.fail(path, "write", "an update may have to wait for its row, and a script that keeps state cannot: upsert the columns that it owns")
  end
  if type(script.key_by) ~= "table" and type(script.key_by) ~= "function" then
    check.fail(path, "key_by", 'the state of a script is kept for each key: name its columns, as in key_by = { "account_id" }')
  end
end

-- Streams between scripts: what becomes of a row is a part of the event that it comes of, which has its own script's state, order and on_error.
local function check_streams(said, result, path)
  if tag.get(result.source) == "stream" then
    local stateful = said.process or said.window or said.pattern
    for _, name in ipairs { "repartition", "key_by", "on_error", "park_for", "owns", "write", "shard" } do
      if said[name] and not (name == "key_by" and stateful) then
        check.fail(path, name, "the script reads stream '%s', whose rows are a part of the event they come of: %s is for scripts that read tables",
          result.source.name, name)
      end
    end
    result.reads, result.reads_at, result.source = result.source.name, result.source.where, nil
  end
  if tag.get(result.target) == "stream" then
    for _, name in ipairs { "merge", "owns", "write", "key", "shard" } do
      if said[name] and type(said[name]) ~= "function" then
        check.fail(path, name, "the script writes stream '%s', which is no table: say it in a script that reads it", result.target.name)
      end
    end
    result.to_stream, result.to_stream_at = result.target.name, result.target.where
    result.target = "stream:" .. result.target.name
  end
end

-- "shop.orders" -> one database's orders; "orders" -> any database's.
local function served(name)
  if name == DEFAULT_TABLE then
    return { default = true }
  end
  local database, table_name = name:match "^([^.]+)%.(.+)$"
  return { database = database, table = table_name or name }
end

-- The script behind scripts/orders.lua, from what its text returned. table_name: the table that job.lua names it for, or nil
-- where it is in a folder. Comes to a new table:
--   path, name       "scripts/orders.lua", "orders"
--   sources          list of { database = (or nil: any), table = } or { default = true }
--   reads, to_stream name of the stream that it reads, that is its target; reads_at, to_stream_at: where it says so
--   target           by default the table of its name
--   columns          list of { target =, source = } or { target =, call = fn }, or nil
--   merges           list of { column =, kind = }, or nil; shard: { column =, count = }
--   filter, where, map, write, on_error, examples; key, owns: lists; key_by: a word, list or function; park_for in ms, or nil
local function validate(script, path, table_name)
  if type(script) ~= "table" then
    error(("%s: it returns %s: a script ends by returning its table"):format(path, check.kind_of(script)), 0)
  end
  check_names(script, path)

  local result = check.options(path, nil, script, FIELDS)
  check_streams(script, result, path)
  check_row(result, path)
  check_merge(result, path)
  if type(result.merge) == "table" then
    result.merges, result.merge = result.merge, nil
  end
  check_state(result, path)
  if result.lookup and result.columns then
    lookup.copies(result.lookup, result.columns, path)
  end

  result.path = path
  result.name = path:match("([^/]+)$"):gsub("%.lua$", "")
  result.sources = {}
  for i, name in ipairs(table_name and { table_name } or result.source or { result.name }) do
    result.sources[i] = served(name)
  end
  if result.reads then -- no message has such a table: its examples do
    result.sources = { { table = ("stream:%s>%s"):format(result.reads, result.name:gsub("%.", "-")) } }
  end
  result.source = nil
  result.stateful = (result.process or result.window or result.pattern) and true or nil
  result.has_target = (result.target or result.window) and true or nil
  result.lookups, result.lookup = result.lookup, nil
  result.aggregates, result.aggregate = result.aggregate, nil
  result.version = result.stateful and (result.state or { version = 1 }).version
  result.uses_time = result.window or result.time or result.on_timer or (result.state and result.state.ttl) or
    (result.pattern and result.pattern.within) and true or nil
  result.ends = (result.on_timer or (result.pattern and #result.pattern.nots > 0)) and true or nil -- all timers fire where the input does
  local marks = result.watermark or check.options(path, "watermark", nil, WATERMARK)
  result.idle_after, result.ahead, result.on_ahead = marks.idle_after, marks.ahead, marks.on_ahead
  result.out_of_order = result.stateful and (result.watermark and result.watermark.out_of_order or result.window and result.window.out_of_order or 0)
  result.target = result.target or served(result.name).table or result.name
  return result
end

return { validate = validate, DEFAULT_TABLE = DEFAULT_TABLE }
