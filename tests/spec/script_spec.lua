local test, is = ...
local script = require "streamlua.script"

local function accepted(fields, path, table_name)
  return script.validate(fields, path or "scripts/orders.lua", table_name)
end

local function refused(text, fields, path)
  return is.failing(text, accepted, fields, path)
end

local function fn() end

test("an empty script copies the columns of the table in its name", function()
  local it = accepted {}
  is.equal(it.path, "scripts/orders.lua")
  is.equal(it.name, "orders")
  is.equal(it.target, "orders")
  is.equal(it.columns, nil)
  is.equal(it.write, "upsert")
  is.equal(it.on_error, "dead-letter")
  is.equal(it.park_for, nil)
  is.same(it.sources, { { table = "orders" } })
end)

test("the tables come from the file's name, from source, or from job.lua", function()
  is.same(accepted({}, "scripts/shop.orders.lua").sources, { { database = "shop", table = "orders" } })
  is.same(accepted({}, "shop.orders.lua").sources, { { database = "shop", table = "orders" } })
  is.equal(accepted({}, "scripts/shop.orders.lua").target, "orders")
  is.equal(accepted({}, "scripts/shop.orders.lua").name, "shop.orders")
  is.same(accepted { source = "crm.o" }.sources, { { database = "crm", table = "o" } })
  is.same(accepted { source = { "a.o", "o" } }.sources, { { database = "a", table = "o" }, { table = "o" } })
  is.equal(accepted { source = "crm.o" }.target, "orders")
  is.equal(accepted { source = "crm.o" }.source, nil)
  is.same(accepted({ source = "x" }, "scripts/orders.lua", "shop.orders").sources, { { database = "shop", table = "orders" } })
  is.equal(accepted({}, "a-b/my orders.v2.lua").name, "my orders.v2")
end)

test("DEFAULT_TABLE_KEY serves events without a table", function()
  local it = accepted({ target = "events" }, "scripts/DEFAULT_TABLE_KEY.lua")
  is.same(it.sources, { { default = true } })
  is.equal(it.target, "events")
  is.equal(accepted({}, "DEFAULT_TABLE_KEY.lua").target, "DEFAULT_TABLE_KEY")
  is.same(accepted { source = { "orders", "DEFAULT_TABLE_KEY" } }.sources, { { table = "orders" }, { default = true } })
end)

test("columns become a list, always in the same order", function()
  is.same(accepted { columns = { sku = fn, id = "id", amount = "price" } }.columns,
    { { target = "amount", source = "price" }, { target = "id", source = "id" }, { target = "sku", call = fn } })
  is.same(accepted { columns = { "b", "a", c = "x" } }.columns,
    { { target = "b", source = "b" }, { target = "a", source = "a" }, { target = "c", source = "x" } })
end)

test("columns that make no sense are refused by name", function()
  refused("scripts/orders.lua: columns: amount: the name of a source column or a function(row) is needed, not a number",
    { columns = { amount = 5 } })
  refused("columns: it names no column", { columns = {} })
  refused("columns: a table of columns is needed, not a text", { columns = "id" })
  refused("columns: 'ID' is in it twice", { columns = { "id", ID = "x" } })
  refused("columns: 'id' is in it twice", { columns = { "id", "id" } })
  refused("columns: item 2: a text is needed, not a function", { columns = { "id", fn } })
  refused("columns: [true]: a column has a name", { columns = { [true] = "id" } })
  refused("columns: [3]: a column has a name", { columns = { [3] = "id" } })
  refused("columns: id: the source column's name is an empty text", { columns = { id = "" } })
  refused("columns: a column's name is an empty text", { columns = { [""] = "x" } })
end)

test("functions must be functions", function()
  for _, name in ipairs { "filter", "where", "map" } do
    refused(("scripts/orders.lua: %s: a function is needed, not a boolean"):format(name), { [name] = true })
    is.equal(accepted { [name] = fn }[name], fn)
  end
end)

test("key and key_by take what they say", function()
  is.same(accepted { key = "id" }.key, { "id" })
  is.same(accepted { key = { "a", "b" } }.key, { "a", "b" })
  is.equal(accepted { key_by = "table" }.key_by, "table")
  is.equal(accepted { key_by = "row" }.key_by, "row")
  is.equal(accepted {}.key_by, nil)
  is.equal(accepted { key_by = fn }.key_by, fn)
  is.same(accepted { key_by = { "customer_id" } }.key_by, { "customer_id" })
  refused("key_by: 'customer_id' is neither 'table' nor 'row': a column goes into a list, { 'customer_id' }", { key_by = "customer_id" })
  refused("key_by: 'tabel' is neither 'table' nor 'row': did you mean 'table'?", { key_by = "tabel" })
  refused("key_by: an empty list", { key_by = {} })
  refused("key: item 2: a text is needed, not a number", { key = { "a", 2 } })
  refused("key: 'a' is in it twice", { key = { "a", "a" } })
  refused("key: a list of texts is needed, not a table with names", { key = { a = "b" } })
end)

test("words are checked, with the nearest one", function()
  is.equal(accepted { write = "update" }.write, "update")
  is.equal(accepted { on_error = "skip" }.on_error, "skip")
  refused("write: 'upset' is none of 'upsert', 'update': did you mean 'upsert'?", { write = "upset" })
  refused("on_error: one of 'dead-letter', 'stop', 'skip' is needed, not a function", { on_error = fn })
  is.equal(accepted { park_for = "5m" }.park_for, 300000)
  refused("park_for: '5 minutes' is no duration", { park_for = "5 minutes" })
end)

test("columns and map together, and owns without either, are explained", function()
  refused("scripts/orders.lua: map: a script has columns or map, not both", { columns = { "id" }, map = fn })
  refused("owns: it names the columns that map or columns write, and the script has neither", { owns = { "a" } })
  is.same(accepted { map = fn, owns = { "a" } }.owns, { "a" })
  is.same(accepted { columns = { "a" }, owns = { "A", "b" } }.owns, { "A", "b" })
end)

test("an unknown field is an error with the nearest name", function()
  refused("scripts/orders.lua: unknown field 'colums': did you mean 'columns'?", { colums = {} })
  refused("scripts/orders.lua: unknown field 'zebra'", { zebra = 1 })
  refused("unknown field '1'", { "id" })
end)

test("repartition is a topic, or one with what it is made with", function()
  local function of(repartition)
    return accepted({ process = fn, key_by = { "k" }, repartition = repartition }).repartition
  end
  is.equal(of("by-k").topic, "by-k")
  is.equal(of("by-k").retention, 7 * 24 * 3600 * 1000)
  is.equal(of({ topic = "by-k", partitions = 12, retention = "1d" }).partitions, 12)
  refused("repartition: topic: 'by k' can be no topic's name", { process = fn, key_by = { "k" }, repartition = "by k" })
  refused("repartition: option 'topic' is needed: it goes through one", { process = fn, key_by = { "k" }, repartition = { partitions = 3 } })
  refused("repartition: it is for scripts that keep state", { repartition = "by-k" })
end)

test("a script that keeps state names what it is kept for, and makes its rows itself", function()
  local kept = accepted { process = fn, key_by = { "k" }, state = { ttl = "1d" }, time = "at" }
  is.equal(kept.stateful, true)
  is.equal(kept.has_target, nil)
  is.equal(kept.version, 1)
  is.same(kept.state, { ttl = 86400000, version = 1 })
  is.equal(accepted({ process = fn, key_by = fn, target = "t", state = { version = 3 }, upgrade = fn }).version, 3)
  is.equal(accepted({}).stateful, nil)
  refused("scripts/orders.lua: key_by: the state of a script is kept for each key", { process = fn })
  refused("scripts/orders.lua: key_by: the state of a script is kept for each key", { process = fn, key_by = "table" })
  refused("scripts/orders.lua: columns: a script has process or columns, not both", { process = fn, key_by = { "k" }, columns = { a = "a" } })
  refused("scripts/orders.lua: state: it is for scripts that keep state", { state = { ttl = "1d" } })
  is.failing(("scripts/%s.lua: the name of a script that keeps state has at most 96 bytes"):format(("n"):rep(97)), script.validate,
    { process = fn, key_by = { "k" } }, ("scripts/%s.lua"):format(("n"):rep(97)))
  refused("state: version: a whole number from 1", { process = fn, key_by = { "k" }, state = { version = 0 } })
end)

test("an event is in no more windows than a row of state can hold", function()
  local sl = require "streamlua"
  is.equal(sl.hopping("5000s", "1s").size, 5000000)
  is.failing("hopping: an event would be in 86400 windows at once, and there may be 5000", sl.hopping, "1d", "1s")
end)

test("a version of the state above 1 needs upgrade, and nothing else does", function()
  local sl = require "streamlua"
  local window = { key_by = { "k" }, window = sl.tumbling "1m" }
  local function windowed(more)
    for name, value in pairs(window) do more[name] = value end
    return more
  end
  refused("scripts/orders.lua: state: version 2 needs a function upgrade(state, from)", { process = fn, key_by = { "k" }, state = { version = 2 } })
  refused("scripts/orders.lua: upgrade: it is for rows of an older version", { process = fn, key_by = { "k" }, upgrade = fn })
  refused("scripts/orders.lua: upgrade: it is for scripts that keep state", { upgrade = fn })
  refused("state: what the built-in aggregates keep has no version", windowed { aggregate = { n = sl.count() }, state = { version = 2 } })
  refused("upgrade: what the built-in aggregates keep has no version", windowed { aggregate = { n = sl.count() }, upgrade = fn })
  refused("state: version 2 needs a function upgrade", windowed { add = fn, sub = fn, state = { version = 2 } })
  is.equal(accepted(windowed { add = fn, sub = fn, state = { version = 2 }, upgrade = fn }).version, 2)
end)

test("a script that returns no table is told what it returned", function()
  is.failing("scripts/orders.lua: it returns nothing: a script ends by returning its table", script.validate, nil, "scripts/orders.lua")
  refused("it returns a number", 5)
end)

test("examples are a list of tables with a row", function()
  local examples = { { op = "insert", row = { id = 1 }, expect = { id = 1 } } }
  is.equal(accepted { examples = examples }.examples, examples)
  is.equal(#accepted { examples = { { op = "delete", key = { id = 1 }, expect = false }, { row = {}, expect = "error" } } }.examples, 2)
  refused("examples: example 1: option 'row' is needed", { examples = { { op = "insert" } } })
  refused("examples: example 1: row: a table is needed, not a number", { examples = { { row = 5 } } })
  refused("examples: example 1: unknown option 'expct': did you mean 'expect'?", { examples = { { row = {}, expct = {} } } })
  refused("examples: example 1: expect: a row, false or 'error' is needed, not a number", { examples = { { row = {}, expect = 5 } } })
  refused("examples: example 1: op: 'upsrt' is none of", { examples = { { op = "upsrt", row = {} } } })
  refused("examples: example 1: old: a table is needed", { examples = { { row = {}, old = 5 } } })
  refused("examples: a list of examples is needed", { examples = { op = "insert", row = {} } })
  refused("examples: example 2: a table of options is needed, not a text", { examples = { { row = {} }, "x" } })
end)

test("an example may be a list of steps, and each of them one word of the harness or an event", function()
  local function step(of) return { examples = { { row = {} }, { name = "n", steps = { { row = {} }, of } } } } end
  for _, good in ipairs {
    { row = { id = 1 }, expect = { id = 1 }, time = 5, now = 6, database = "d", table = "t" }, { op = "delete", key = { id = 1 } },
    { advance_to = "2024-01-31 12:00:00", expect = {} }, { wait = "5m", expect = "error" }, { finish = true }, { restart = true },
    { state = { 7 }, expect = { n = 1 } }, { state = 7, map = "m", entry = "a", expect = 5 }, { restore = { key = { 7 }, state = {} } },
  } do
    is.equal(accepted(step(good)).examples[2].steps[2], good)
  end
  for _, bad in ipairs {
    { "option 'row' is needed", {} },
    { "option 'row' is needed", { op = "delete" } },
    { "unknown option 'advanceto': did you mean 'advance_to'?", { advanceto = "1m" } },
    { "unknown option 'row'", { advance_to = 5, row = {} } },
    { "wait: '5 minutes' is no duration", { wait = "5 minutes" } },
    { "finish: it is written with true", { finish = 1 } },
    { "unknown option 'expect'", { restart = true, expect = false } },
    { "restore: a table is needed", { restore = 1 } },
    { "expect: a row, false or 'error' is needed, not a number", { wait = "1s", expect = 5 } },
    { "now: milliseconds are needed, not a text", { row = {}, now = "noon" } },
    { "a table of options is needed, not a text", "x" },
  } do
    refused("examples: example 2: step 2: " .. bad[1], step(bad[2]))
  end
  refused("examples: example 1: steps: a list is needed", { examples = { { steps = {} } } })
  refused("examples: example 1: steps: a list is needed", { examples = { { steps = { row = {} } } } })
  refused("examples: example 1: steps: a table is needed, not a number", { examples = { { steps = 5 } } })
  refused("examples: example 1: unknown option 'row'", { examples = { { row = {}, steps = { { row = {} } } } } })
  refused("examples: example 1: name: a text is needed", { examples = { { name = 5, row = {} } } })
end)

test("a path with any characters in it stands in the message as it is", function()
  refused("a%b(1)/x.lua: write: ", { write = 5 }, "a%b(1)/x.lua")
  refused("a%b(1)/x.lua: unknown field", { wrote = 5 }, "a%b(1)/x.lua")
end)

test("what the script returned is not changed", function()
  local fields = { source = "x", key = "id" }
  accepted(fields)
  is.same(fields, { source = "x", key = "id" })
end)
