local test, is = ...
local sandbox_of = require "files"
local host = require "streamlua.host"
local job = require "streamlua.job"
local tag = require "streamlua.tag"

local function load_job(text)
  return sandbox_of { ["job.lua"] = 'local sl = require "streamlua"\n' .. text }.load_file "job.lua"
end

local KAFKA = 'sl.source.kafka { brokers = "h:9092", topics = "shop.*", format = "debezium" }'
local SINK = "sl.sink.blackhole()"

-- A job with this source, sink and other options.
local function with(options)
  return load_job(("return sl.job { name = 'shop', source = %s, sink = %s, %s }"):format(options.source or KAFKA,
    options.sink or SINK, options[1] or ""))
end

local function source(text)
  return with { source = text }.source
end

local function sink(text)
  return with { sink = text }.sink
end

local function refused(text, fn, ...)
  return is.failing(text, fn, ...)
end

test("the job of the manual comes out whole", function()
  host.variables = { TIDB_PASSWORD = "s3cret" }
  local it = load_job [[
return sl.job {
  name   = "shop",
  source = sl.source.kafka {
    brokers = sl.env("KAFKA_BROKERS", "127.0.0.1:9092"),
    topics  = { "shop.*" },
    format  = "debezium",
    start   = "earliest",
    config  = { ["security.protocol"] = "SASL_SSL", ["fetch.wait.max.ms"] = 50, ["enable.ssl.certificate.verification"] = false },
  },
  tables = "scripts",
  sink   = sl.sink.tidb {
    host = "127.0.0.1", port = 4000, user = "sync", password = sl.env "TIDB_PASSWORD", database = "dw",
  },
}]]
  is.same(it, {
    name = "shop",
    source = {
      kind = "kafka", brokers = "127.0.0.1:9092", topics = { "shop.*" }, format = { name = "debezium" }, start = "earliest",
      group = "streamlua-shop",
      config = { ["security.protocol"] = "SASL_SSL", ["fetch.wait.max.ms"] = "50", ["enable.ssl.certificate.verification"] = "false" },
    },
    tables = { folder = "scripts" },
    sink = { kind = "tidb", host = "127.0.0.1", port = 4000, user = "sync", password = "s3cret", database = "dw", lanes = 8 },
    sinks = {}, side_names = {},
    dead_letters = "shop.dead-letters.jsonl", on_ddl = "ignore", on_truncate = "ignore",
    memory = 256 * 1024 * 1024, park_for = 600000, script_timeout = 2000,
  })
  is.equal(tag.get(it), "job")
  is.equal(tag.get(it.source), "source")
  is.equal(getmetatable(it), "streamlua job")
  is.equal(job.accept(it, "job.lua"), it)
end)

test("an unknown option names file, line and the nearest name", function()
  refused("job.lua:4: source.kafka: unknown option 'topcs': did you mean 'topics'?", load_job, [[
return sl.job {
  name = "shop",
  source = sl.source.kafka {
    brokers = "h",
    topcs = { "x" },
  },
}]])
  refused("job.lua:2: sink.tidb: unknown option 'pasword': did you mean 'password'?", load_job, "local s = sl.sink.tidb { pasword = '' }")
  refused("job.lua:2: sl.source has no 'kafak': did you mean 'kafka'?", load_job, "local s = sl.source.kafak {}")
  refused("job.lua:2: sl.sink has no 'kafak': did you mean 'kafka'?", load_job, "local s = sl.sink.kafak {}")
end)

test("a call in tail position has its line too", function()
  refused("job.lua:4: job: unknown option 'sorce': did you mean 'source'?", load_job, "\n\nreturn sl.job { name = 'x', sorce = 1 }")
  refused("job.lua:2: source.file: option 'format' is needed", load_job, "return sl.source.file { path = 'x' }")
  refused("m.lua:2: sink.sqlite: option 'path' is needed", sandbox_of({
    ["job.lua"] = 'return require "m"',
    ["m.lua"] = 'local sl = require "streamlua"\nreturn sl.sink.sqlite {}',
  }).load_file, "job.lua")
end)

test("a job needs a name, a source and a sink", function()
  refused("job.lua:2: job: option 'name' is needed: it is what progress is kept under", load_job, "return sl.job { }")
  refused("job: option 'sink' is needed", load_job, "return sl.job { name = 'x', source = " .. KAFKA .. " }")
  refused("job: option 'source' is needed", load_job, "return sl.job { name = 'x', sink = " .. SINK .. " }")
  refused("job: a table of options is needed, not a text", load_job, "return sl.job 'x'")
  refused("job: source: this is a sink; a source is made by sl.source.kafka", with, { source = SINK })
  refused("job: sink: a sink is made by sl.sink.tidb { ... } or another of sl.sink, this is a table", with, { sink = "{ kind = 'tidb' }" })
  refused("job: sink: a sink is made by sl.sink.tidb { ... } or another of sl.sink, this is a function", with, { sink = "sl.sink.tidb" })
end)

test("names are letters, digits, - _ . up to 64", function()
  local function named(name)
    return load_job(("return sl.job { name = %q, source = %s, sink = %s }"):format(name, KAFKA, SINK))
  end
  for _, name in ipairs { "a", "shop-2.eu_x", "7", ("x"):rep(64) } do
    is.equal(named(name).name, name)
  end
  for _, name in ipairs { "", ".", "..", ".x", "-x", "a b", "a/b", "ü", "a\nb", "a\0b", ("x"):rep(65) } do
    refused("job.lua:2: job: name: ", named, name)
  end
end)

test("what a job.lua returns instead of a job is said", function()
  refused("job.lua: it returns nothing: a job ends with return sl.job { ... }", job.accept, nil, "job.lua")
  refused("job.lua: it returns a table: ", job.accept, { name = "x" }, "job.lua")
  refused("job.lua: it returns a sink: ", job.accept, load_job("return " .. SINK), "job.lua")
end)

test("brokers and topics are a text or a list", function()
  local it = source "sl.source.kafka { brokers = { 'a:1', 'b:2' }, topics = 'x', format = 'json', group = 'g' }"
  is.equal(it.brokers, "a:1,b:2")
  is.same(it.topics, { "x" })
  is.equal(it.group, "g")
  is.same(it.config, {})
  is.equal(it.start, "earliest")
  refused("topics: an empty list", source, "sl.source.kafka { brokers = 'a', topics = {}, format = 'json' }")
  refused("topics: item 2: a text is needed, not a number", source, "sl.source.kafka { brokers = 'a', topics = { 'x', 5 }, format = 'json' }")
  refused("brokers: item 1: an empty text", source, "sl.source.kafka { brokers = '', topics = 'x', format = 'json' }")
end)

test("properties of librdkafka are checked for their kinds and for what streamlua sets", function()
  local function configured(text)
    return source(("sl.source.kafka { brokers = 'a', topics = 'x', format = 'json', config = %s }"):format(text)).config
  end
  is.same(configured "{ a = 1, b = 1.5, c = true, d = 'x', e = 9007199254740992 }",
    { a = "1", b = "1.5", c = "true", d = "x", e = "9007199254740992" })
  refused("config: 'group.id' is said by the option 'group'", configured, "{ ['group.id'] = 'x' }")
  refused("config: 'x': a text, a number or a boolean is needed, not a table", configured, "{ x = {} }")
  refused("config: each property has a name", configured, "{ 'x' }")
  refused("config: a table of librdkafka properties is needed", configured, "5")
end)

test("start is a word, a time or a duration back", function()
  local function started(text)
    return source(("sl.source.kafka { brokers = 'a', topics = 'x', format = 'json', start = %q }"):format(text)).start
  end
  for _, text in ipairs { "earliest", "latest", "-2h", "-90s", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.5+08:00" } do
    is.equal(started(text), text)
  end
  for _, text in ipairs { "first", "2h", "-2", "-2 hours", "2024-01-31", "2024-01-31T12:00:00", "earliest ", "" } do
    refused("start: ", started, text)
  end
end)

test("a format is a name, a name with settings, or a function", function()
  local function formatted(text)
    return source(("sl.source.file { path = '-', format = %s }"):format(text)).format
  end
  is.same(formatted "'json'", { name = "json" })
  is.same(formatted "{ 'debezium', decimal = 'precise', binary = 'hex', zone = '+08:00', absent = 'null' }",
    { name = "debezium", decimal = "precise", binary = "hex", zone = "+08:00", absent = "null" })
  is.same(formatted "{ 'avro', registry = 'https://h:8081/api', user = 'me', password = 'x', ca = 'ca.pem' }",
    { name = "avro", registry = "https://h:8081/api", user = "me", password = "x", ca = "ca.pem" })
  refused("registry is missing", formatted, "'avro'")
  refused("'h:8081' is no URL", formatted, "{ 'avro', registry = 'h:8081' }")
  refused("user and password are options of their own", formatted, "{ 'avro', registry = 'http://me:x@h' }")
  refused("user and password come together", formatted, "{ 'avro', registry = 'http://h', user = 'me' }")
  refused("'ca' is for the format avro", formatted, "{ 'json', ca = 'ca.pem' }")
  is.same(formatted "{ 'json', table = { field = 'meta.table' }, database = { header = 'db' }, op = 'op', row = 'after', old = 'before' }",
    { name = "json", table = { field = "meta.table" }, database = { header = "db" }, op = { field = "op" }, row = "after", old = "before" })
  is.same(formatted "{ 'json', table = 'topic', op = { header = 'op' } }", { name = "json", table = {}, op = { header = "op" } })
  refused("table: a field or a header is needed", formatted, "{ 'json', table = {} }")
  refused('{ field = "..." } or { header = "..." } is needed, not a text', formatted, "{ 'json', table = 'orders' }")
  refused("unknown option 'feild': did you mean 'field'?", formatted, "{ 'json', op = { feild = 'x' } }")
  refused("at most 63 characters", formatted, "{ 'json', row = ('x'):rep(64) }")
  refused("'row' is for the format json", formatted, "{ 'maxwell', row = 'data' }")
  local made = formatted "sl.format(function(message) return message end)"
  is.equal(made.name, "lua")
  is.equal(made.decode(5), 5)
  refused("format: debezium: decimal: 'precis' is none of 'precise', 'string', 'double': did you mean 'precise'?", formatted,
    "{ 'debezium', decimal = 'precis' }")
  refused("format: debezium: unknown option 'decimals': did you mean 'decimal'?", formatted, "{ 'debezium', decimals = 'x' }")
  refused("format: debezium: zone: 'CET' is no zone: write +08:00", formatted, "{ 'debezium', zone = 'CET' }")
  refused("zone: '+15:00' is no zone", formatted, "{ 'debezium', zone = '+15:00' }")
  refused("did you mean 'debezium'?", formatted, "'debezum'")
  refused("format: a function goes into sl.format(...)", formatted, "function() end")
  refused("format: the name of a format is needed, not a number", formatted, "5")
  refused("the name of a format is needed ('auto', 'avro', 'canal', 'debezium', 'json', 'maxwell', 'ticdc', or sl.format(...)", formatted, "{}")
  for _, name in ipairs { "maxwell", "canal", "ticdc" } do
    is.same(formatted(("{ %q, zone = '+08:00' }"):format(name)), { name = name, zone = "+08:00" })
  end
  refused("did you mean 'maxwell'?", formatted, "'maxwel'")
  refused("job.lua:2: format: a function of the message is needed, not a text", formatted, "sl.format 'x'")
end)

test("a file source has paths and says how lines are read", function()
  is.same(source "sl.source.file { path = { 'a', 'b.gz' }, format = 'json', key_separator = '\\t', topic = 'shop.orders' }",
    { kind = "file", paths = { "a", "b.gz" }, format = { name = "json" }, key_separator = "\t", topic = "shop.orders" })
  is.equal(source "sl.source.file { path = '-', format = 'json', envelope = 'kcat' }".envelope, "kcat")
  refused("envelope: 'kat' is none of 'kcat': did you mean 'kcat'?", source, "sl.source.file { path = '-', format = 'json', envelope = 'kat' }")
  refused("an envelope has keys and topics of its own: 'key_separator' is not for it", source,
    "sl.source.file { path = '-', format = 'json', envelope = 'kcat', key_separator = ',' }")
  refused("path: 'a' is in it twice", source, "sl.source.file { path = { 'a', 'a' }, format = 'json' }")
  refused("unknown option 'paths': did you mean 'path'?", source, "sl.source.file { paths = 'a', format = 'json' }")
end)

test("tables are a folder or a map", function()
  is.same(with {}.tables, { folder = "scripts" })
  is.same(with { "tables = 'other'" }.tables, { folder = "other" })
  is.same(with { "tables = { ['shop.orders'] = 'scripts/o.lua' }" }.tables, { map = { ["shop.orders"] = "scripts/o.lua" } })
  refused("tables: no table is named", with, { "tables = {}" })
  refused("tables: each script stands behind its table", with, { "tables = { 'x.lua' }" })
  refused("tables: 'a': the path of a script: a text is needed, not a number", with, { "tables = { a = 5 }" })
end)

test("servers have their ports, numbers may be texts", function()
  is.equal(sink "sl.sink.tidb { user = 'u', database = 'd' }".port, 4000)
  is.equal(sink "sl.sink.mysql { user = 'u', database = 'd' }".port, 3306)
  is.equal(sink "sl.sink.mariadb { user = 'u', database = 'd' }".port, 3306)
  is.same(sink "sl.sink.mariadb { user = 'u', database = 'd', port = '3307', lanes = 2, connect_timeout = '5s' }",
    { kind = "mariadb", host = "127.0.0.1", port = 3307, user = "u", password = "", database = "d", lanes = 2, connect_timeout = 5000 })
  is.same(sink "sl.sink.mysql { user = 'u', database = 'd', socket = '/run/s' }",
    { kind = "mysql", socket = "/run/s", port = 3306, user = "u", password = "", database = "d", lanes = 8 })
  refused("host and socket are two ways", sink, "sl.sink.mysql { user = 'u', database = 'd', socket = '/run/s', host = 'h' }")
  refused("port: a whole number from 1 to 65535 is needed, not 70000", sink, "sl.sink.tidb { user = 'u', database = 'd', port = 70000 }")
  refused("port: a number is needed, not a text", sink, "sl.sink.tidb { user = 'u', database = 'd', port = 'x' }")
  refused("lanes: a whole number from 1 to 64 is needed, not 1.5", sink, "sl.sink.tidb { user = 'u', database = 'd', lanes = 1.5 }")
  refused("option 'database' is needed", sink, "sl.sink.tidb { user = 'u' }")
  refused("password: a text is needed, not a number", sink, "sl.sink.tidb { user = 'u', database = 'd', password = 5 }")
end)

test("TLS is verified unless said otherwise", function()
  local function secured(text)
    return sink(("sl.sink.tidb { user = 'u', database = 'd', tls = %s }"):format(text)).tls
  end
  is.same(secured "true", { verify = true })
  is.same(secured "{}", { verify = true })
  is.equal(secured "false", nil)
  is.same(secured "{ ca = 'a', cert = 'c', key = 'k', verify = false }", { ca = "a", cert = "c", key = "k", verify = false })
  refused("tls: cert and key come together", secured, "{ cert = 'c' }")
  refused("job.lua:2: sink.tidb: tls: unknown option 'cacert'", secured, "{ cacert = 'c' }")
end)

test("the other sinks", function()
  is.same(sink "sl.sink.sqlite { path = 'x.db' }", { kind = "sqlite", path = "x.db" })
  is.same(sink "sl.sink.jsonl { path = 'x' }", { kind = "jsonl", path = "x" })
  is.same(sink "sl.sink.kafka { topic = 'out', brokers = { 'a:1', 'b:2' }, config = { ['linger.ms'] = 7 } }",
    { kind = "kafka", topic = "out", brokers = "a:1,b:2", config = { ["linger.ms"] = "7" } })
  is.equal(sink("sl.sink.kafka { topic = 'out' }").brokers, "h:9092") -- the source's
  refused("option 'topic' is needed", sink, "sl.sink.kafka { brokers = 'a:1' }")
  refused("topic: 'shop.*' can be no topic's name", sink, "sl.sink.kafka { topic = 'shop.*' }")
  is.same(sink("sl.sink.kafka { topic = 'out', key = 'id' }").key, { "id" })
  refused("key: an empty list", sink, "sl.sink.kafka { topic = 'out', key = {} }")
  refused("config: 'bootstrap.servers' is said by the option 'brokers'", sink,
    "sl.sink.kafka { topic = 'x', config = { ['bootstrap.servers'] = 'x' } }")
  is.same(sink "sl.sink.jsonl()", { kind = "jsonl", path = "-" })
  is.same(sink "sl.sink.blackhole {}", { kind = "blackhole" })
end)

test("sinks beside the job's", function()
  local function sinks(text)
    return with { ("sinks = %s"):format(text) }
  end
  local it = sinks "{ log = sl.sink.jsonl { path = 'x', identity = true }, kafka = sl.sink.kafka {}, \
    alerts = sl.sink.kafka { topic = 'a', brokers = 'b:1' } }"
  is.same(it.side_names, { "alerts", "kafka", "log" })
  is.same(it.sinks.log, { kind = "jsonl", path = "x", identity = true })
  is.equal(it.sinks.kafka.brokers, "h:9092")
  is.equal(it.sinks.kafka.topic, nil)
  is.equal(it.sinks.alerts.brokers, "b:1")
  is.same(with({}).side_names, {})
  refused("job: sinks: sinks by their names are needed", sinks, "5")
  refused("sinks: 'a b': letters, digits, '-' and '_' make the name of a sink", sinks, "{ ['a b'] = sl.sink.blackhole() }")
  refused("sinks: '1': letters", sinks, "{ sl.sink.blackhole() }")
  refused("sinks: log: a sink is made by sl.sink.kafka", sinks, "{ log = 'x.jsonl' }")
  refused("sinks: two: mariadb is a database: only the job's own sink is one", sinks, "{ two = sl.sink.mariadb { user = 'u', database = 'd' } }")
  refused("sinks: two: sqlite is a database", sinks, "{ two = sl.sink.sqlite { path = 'x' } }")
  refused("job: sinks.out: write brokers", with,
    { "sinks = { out = sl.sink.kafka {} }", source = "sl.source.file { path = 'x', format = 'json' }" })
  refused("job: sinks.out: the job would read what it writes into topic 'x'", with,
    { "sinks = { out = sl.sink.kafka { topic = 'x' } }", source = KAFKA:gsub("shop%.%*", "x") })
  is.equal(job.outside(sinks "{ a = sl.sink.blackhole() }") == job.outside(sinks "{ b = sl.sink.blackhole() }"), false)
end)

test("limits and rules of the job", function()
  is.equal(with { "memory = '64MB'" }.memory, 64 * 2 ^ 20)
  is.equal(with { "memory = '1GiB'" }.memory, 2 ^ 30)
  is.equal(with { "memory = 20000000" }.memory, 20000000)
  is.equal(with { "on_ddl = 'stop'" }.on_ddl, "stop")
  is.equal(with { "park_for = '1h'" }.park_for, 3600000)
  is.equal(with { "max_rows_per_second = 500" }.max_rows_per_second, 500)
  refused("max_rows_per_second: a whole number from 1", with, { "max_rows_per_second = 0" })
  is.equal(with { "dead_letter_limit = 0" }.dead_letter_limit, 0)
  refused("dead_letter_limit: a whole number from 0", with, { "dead_letter_limit = 0.5" })
  is.equal(with { "script_timeout = '500ms'" }.script_timeout, 500)
  is.equal(with { "dead_letters = 'd.jsonl'" }.dead_letters, "d.jsonl")
  refused("memory: '64 megs' is no size: write 64MB or 1GB", with, { "memory = '64 megs'" })
  refused("memory: at least 16MB is needed", with, { "memory = '1MB'" })
  refused("on_truncate: 'halt' is none of 'ignore', 'stop', 'dead-letter'", with, { "on_truncate = 'halt'" })
  refused("park_for: a duration such as \"10s\" is needed, not a number", with, { "park_for = 5 " })
end)

test("the same source and sink make the same text, another one another", function()
  local function outside(password, more)
    return job.outside(with { more, sink = ("sl.sink.tidb { user = 'u', database = 'd', password = %q }"):format(password) },
      function(text) return "len" .. #text end)
  end
  is.equal(outside "one", outside "two")
  is.equal(outside "one" == outside "three", false)
  is.equal(outside("one", "memory = '64MB'"), outside("one", "tables = 'other'"))
  is.equal(outside "s3cret":find("s3cret", 1, true), nil)
  local other = with { source = KAFKA:gsub("h:9092", "i:9092"), sink = "sl.sink.tidb { user = 'u', database = 'd' }" }
  is.equal(job.outside(other) == job.outside(with { sink = "sl.sink.tidb { user = 'u', database = 'd' }" }), false)
end)

test("secrets of the source are not in the text either", function()
  local text = job.outside(with { source = [[sl.source.kafka { brokers = "a", topics = "x", format = sl.format(function() end),
    config = { ["sasl.password"] = "geheim", ["sasl.username"] = "me" } }]] })
  is.equal(text:find("geheim", 1, true), nil)
  is.equal(text:find("***", 1, true) ~= nil, true)
  is.equal(text:find("me", 1, true) ~= nil, true)
  is.equal(text:find("function", 1, true), nil)
end)
