"""What `check` finds in scripts, each with file and line: errors, which end it with 2, and hints, which do not."""

import pytest

from support.files import sqlite
from support.job import file_source, sqlite_sink, tidb_sink

TABLES = """CREATE TABLE orders (id TEXT PRIMARY KEY NOT NULL, customer_id INTEGER NOT NULL, amount NUMERIC(10,2), sku TEXT,
  at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT)"""
ALL = 'id = "id", customer_id = "customer_id", amount = "amount", sku = "sku"'

ERRORS = [
    ('return {\n  columns = {\n    id = "id",\n    amout = "price",\n  },\n}',
     ["scripts/orders.lua:4: columns: table orders has no column amout (it has id, customer_id, amount, sku, at): did you mean 'amount'?"]),
    ("local M = {}\nM.colums = {}\nreturn M", ["scripts/orders.lua:2: unknown field 'colums': did you mean 'columns'?"]),
    ('return {\n  target = "oders" }', ["scripts/orders.lua:2: target: the target has no table oders"]),
    ('return { map = function(row)\n  if row.x then return { id = 1, customer_id = 2, ["skuu"] = 3 } end\n  return { amount = 1, customer_id = 1 }\nend }',
     ["scripts/orders.lua:2: map: table orders has no column 'skuu': did you mean 'sku'?",
      "scripts/orders.lua:3: map: id is of the key of orders, which tells its rows apart, and no value is given to it"]),
    ('return {\n  columns = { customer_id = "c" } }', ["scripts/orders.lua:2: columns: id is of the key of orders"]),
    ('return {\n  columns = { id = "id" } }', ["scripts/orders.lua:2: columns: customer_id of orders may not be NULL and has no default"]),
    ('return { filter = function(row, ctx)\n  ctx:emit("custmers", { id = 1 })\n  ctx:emit("customers", { id = 1, nme = row.name })\nend }',
     ["scripts/orders.lua:2: the target has no table custmers", "scripts/orders.lua:3: customers: table customers has no column 'nme': did you mean 'name'?"]),
    ('return {\n  examples = {\n    { row = { id = 1, customer_id = 2 }, expect = { id = 1 } },\n    { row = { id = 2, customer_id = 2 }, expect = { id = 3 } },\n  } }',
     ["scripts/orders.lua:4: example 2: expected 1 change"]),
    ('return {\n  examples = { { row = { id = 1, customer_id = (require "streamlua").null } , expect = { id = 1 } } } }',
     ["scripts/orders.lua:2: example 1: customer_id of orders is INTEGER NOT NULL, and is given null: it may not be NULL"]),
    ('return { lookup = {\n  c = { table = "customers", key = "customer_id",\n  columns = { "nmae" } } } }',
     ["scripts/orders.lua:3: lookup: c: table customers has no column nmae", "did you mean 'name'?"]),
]

HINTS = [
    (f"local M = {{ columns = {{ {ALL} }} }}\n\nfunction M.filter(row, ctx) return row.test ~= 1 end\nreturn M",
     "scripts/orders.lua:3: hint: filter looks at nothing but the row: one that passes it, and after an update does not, stays in orders as it was. "
     "To have it deleted: where = function(row) return row.test ~= 1 end"),
    ('return {\n  columns = { id = "id", customer_id = "c" } }',
     "scripts/orders.lua:2: hint: columns: no script writes amount, sku of orders: NULL in every row that is made here"),
    ('return { key_by = { "id", "customer_id" } }', "scripts/orders.lua:1: hint: key_by: it cannot be told whether customer_id follows from the key of "
     "orders (id)"),
    ('return {\n  examples = { { row = { id = 1, customer_id = 2, amuont = 7, more = 3 }, expect = { id = 1 } } } }',
     "scripts/orders.lua:2: hint: example 1: orders has no column 'amuont', which is passed over: did you mean 'amount'?"),
    (f"return {{ columns = {{ {ALL} }},\n  examples = {{ {{ row = {{ id = 1, customer_id = 2, amuont = 7 }}, expect = {{ id = 1 }} }} }} }}",
     "scripts/orders.lua:1: hint: columns: no example has a source column 'amount': did you mean 'amuont'?"),
    (f'return {{ columns = {{ {ALL.replace(chr(34) + "sku" + chr(34), chr(34) + "c.name" + chr(34))} }}, lookup = {{\n'
     '  c = { table = "customers", key = { id = "customer_id" },\n    columns = { "name", "city" } } } }',
     "scripts/orders.lua:3: hint: lookup: c: city is asked of customers and never used: leave it out"),
]

NOTHING = [
    "return {}",
    f"return {{ columns = {{ {ALL} }}, filter = function(row, ctx) return ctx.op ~= 'delete' end }}",
    f"local n = 0\nreturn {{ columns = {{ {ALL} }}, filter = function(row) n = n + 1 return n < 9 end }}",
    f"return {{ columns = {{ {ALL} }}, key_by = {{ 'id' }} }}",
    "return { map = function(row) local made = { id = row.id } return made end }",
    "return { map = function(row, ctx) local f = function() return { x = 1 } end return nil end }",
    "return { map = function(row) return { [row.k] = 1, customer_id = 2 } end }",
    "return { write = 'update', columns = { id = 'id', amount = 'amount' } }",
    "return { columns = { id = 'id', customer_id = 'c' }, filter = function(row, ctx) ctx:emit('orders', row) return true end }",
]


@pytest.fixture
def shop(job):
    for table in TABLES.split(";"):
        sqlite(job.folder / "out.db", table)
    return job.job(file_source("in.jsonl", format="json", topic="orders"), sqlite_sink("out.db"))


def check(job, script):
    return job.file("scripts/orders.lua", script).command("check", "job.lua")


@pytest.mark.parametrize("script, said", ERRORS, ids=range(len(ERRORS)))
def test_what_cannot_end_well_is_an_error_with_its_line(shop, script, said):
    checked = check(shop, script)
    assert checked.code == 2
    assert [text for text in said if text not in checked.err] == [], checked.err


def test_what_somebody_may_not_have_meant_is_a_hint_and_no_error(shop):
    for script, said in HINTS:
        checked = check(shop, script).ok()
        assert said in checked.out and checked.out.count("hint:") == 1, (script, checked.out)
    for script in NOTHING:
        assert "hint:" not in check(shop, script).ok().out, script


def test_a_run_says_no_hints(shop):
    shop.file("in.jsonl", "").file("scripts/orders.lua", HINTS[0][0])
    assert "hint:" not in shop.run().ok().err


def test_values_of_examples_have_to_fit_the_types_of_a_strict_database(mariadb, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, tiny TINYINT UNSIGNED, amount DECIMAL(10,2), sku VARCHAR(3), at DATETIME)", database=database)
    job.job(file_source("in.jsonl", format="json", topic="orders"), tidb_sink(mariadb, database))

    def with_values(values):
        return check(job, f"return {{\n  examples = {{ {{ row = {{ id = 1, {values} }}, expect = {{ id = 1 }} }} }} }}")

    with_values("tiny = 255, amount = '12.50', sku = 'äöü', at = '2024-01-31 12:00:00'").ok()
    for values, said in [("tiny = 256", "256: that is out of its range"), ("tiny = -1", "-1: that is out of its range"),
                         ("amount = 'much'", "\"much\": that is no number"), ("sku = 'tea-50'", "\"tea-50\": that has 6 characters"),
                         ("at = 'noon'", "\"noon\": that is no date")]:
        checked = with_values(values)
        assert checked.code == 2 and "scripts/orders.lua:2: example 1: " in checked.err and said in checked.err, checked.err
