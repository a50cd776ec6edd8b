"""lookup: columns of other tables of the target beside an event's own, as the database compares keys, refreshed by time and by the job's own writes."""

import json
import re

import pytest

from support.files import into_either
from support.job import Lua, file_source, jsonl_sink, kafka_source

FORMAT = Lua('{ "json", op = "op", row = "row" }')


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def events(topic, key, rows, op="insert"):
    return [(topic, 0, json.dumps({key: row[key]}).encode(), json.dumps({"op": op, "row": row}).encode()) for row in rows]


KINDS = """
CREATE TABLE codes (code VARCHAR(10) PRIMARY KEY, name VARCHAR(20), rate DECIMAL(30,20), big BIGINT, at DATETIME, raw VARBINARY(4));
INSERT INTO codes VALUES ('de', 'Germany', 0.10000000000000000001, 9007199254740993, '2024-01-31 12:00:00', x'00ff'), ('fr', NULL, 2, 3, NULL, NULL);
CREATE TABLE stock (shop INT, item DECIMAL(6,2), pieces INT, PRIMARY KEY (shop, item));
INSERT INTO stock VALUES (1, 1.50, 10), (1, 2, 20), (2, 1.5, 30);
CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), rate VARCHAR(40), big VARCHAR(40), at VARCHAR(40), raw VARCHAR(40), known VARCHAR(8), pieces INT)"""

KINDS_SCRIPT = """local sl = require "streamlua"
return {
  lookup = {
    code  = { table = "codes", key = "code", columns = { "name", "rate", "big", "at", "raw" } },
    stock = { table = "stock", key = { "shop", "item" }, columns = { "pieces" } },
  },
  columns = {
    id = "id", name = "code.name", rate = "code.rate", big = "code.big", at = "code.at", pieces = "stock.pieces",
    raw = function(row) return row.code.raw and sl.hex.encode(row.code.raw) end,
    known = function(row) return tostring(row:has "code") end,
  },
}"""


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_keys_are_compared_as_the_database_does_it(job, request, into):
    job.file("in.jsonl", lines([
        {"id": 1, "code": "de", "shop": 1, "item": 1.5}, {"id": 2, "code": "DE", "shop": 1, "item": "2.00"}, {"id": 3, "code": "fr", "shop": 2, "item": "1.500"},
        {"id": 4, "code": "xx", "shop": 3, "item": 1}, {"id": 5, "code": None, "shop": 1, "item": None}, {"id": 6, "shop": 1, "item": 2}]))
    found = into_either(job, request, into, file_source("in.jsonl", "json", topic="t"), KINDS, t=KINDS_SCRIPT)
    job.run().ok()
    rows = {row.pop("id"): row for row in found("SELECT * FROM t ORDER BY id")}
    exact = into == "mariadb"
    germany = {"name": "Germany", "rate": "0.10000000000000000001" if exact else "0.1", "big": "9007199254740993", "at": "2024-01-31 12:00:00", "raw": "00ff", "known": "true"}
    nothing = dict.fromkeys(germany, None) | {"known": "false"}
    assert rows[1] == germany | {"pieces": 10}
    # MariaDB's texts compare without regard to case, SQLite's do not.
    assert rows[2] == (germany if exact else nothing) | {"pieces": 20}
    assert rows[3] == {"name": None, "rate": "2.00000000000000000000" if exact else "2", "big": "3", "at": None, "raw": None, "known": "true", "pieces": 30}
    assert rows[4] == nothing | {"pieces": None}
    assert rows[5] == nothing | {"pieces": None}
    assert rows[6] == nothing | {"pieces": 20}
    assert found("SELECT * FROM streamlua_dead_letters") == []


PHASES = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE names (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(20), name VARCHAR(20))"""

CUSTOMERS = 'return { columns = { id = "id", name = "name" } }'
ORDERS = """return {
  lookup = {
    customer = { table = "customers", key = { id = "customer_id" }, columns = { "name" }, ttl = "1d" },
    name     = { table = "names", key = { id = "customer_id" }, columns = { "name" }, ttl = "0s" },
  },
  columns = { id = "id", customer = "customer.name", name = "name.name" },
}"""


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_what_the_job_has_written_is_seen_and_killing_it_changes_nothing(kafka, topic, job, request, into):
    customers, orders = topic("customers"), topic("orders")
    source = kafka_source(kafka, [customers, orders], FORMAT, config={"session.timeout.ms": 1500, "heartbeat.interval.ms": 300})
    scripts = {"customers": CUSTOMERS.replace("return {", f'return {{ source = "{customers}", target = "customers",'),
               "orders": ORDERS.replace("return {", f'return {{ source = "{orders}", target = "orders",', 1)}
    found = into_either(job, request, into, source, PHASES, {"max_rows_per_second": 1500}, **scripts)
    job.start()
    expected = []
    for phase in range(3):
        kafka.produce(events(customers, "id", [{"id": i, "name": f"c{i}-{phase}"} for i in range(40)]))
        job.wait_for(lambda: found(f"SELECT COUNT(*) AS n FROM customers WHERE name LIKE '%-{phase}'")[0]["n"] == 40, "the customers")
        # Nobody tells the job of these: they are asked for every time.
        found("DELETE FROM names")
        found("INSERT INTO names VALUES " + ", ".join(f"({i}, 'n{i}-{phase}')" for i in range(20)))
        made = [{"id": phase * 1000 + i, "customer_id": i % 50} for i in range(1000)]
        kafka.produce(events(orders, "id", made))
        at = phase * 1000
        job.wait_for(lambda: found("SELECT COUNT(*) AS n FROM orders")[0]["n"] > at + 100, "some orders")
        job.kill_worker()
        job.wait_for(lambda: found("SELECT COUNT(*) AS n FROM orders")[0]["n"] == at + 1000, "all orders")
        expected += [{"id": row["id"], "customer": f"c{c}-{phase}" if c < 40 else None, "name": f"n{c}-{phase}" if c < 20 else None}
                     for row in made for c in [row["customer_id"]]]
    assert job.stop().code == 0
    assert found("SELECT id, customer, name FROM orders ORDER BY id") == expected
    assert found("SELECT * FROM streamlua_dead_letters") == []


GOOD = '  lookup = { customer = { table = "customers", key = { id = "customer_id" }, columns = { "name" } } },'


@pytest.mark.parametrize("text, said", [
    (GOOD.replace('"name"', '\n"nmae"'), r"scripts/t\.lua:3: lookup: customer: table customers has no column nmae \(it has id, name\)"),
    (GOOD.replace("id =", "\nidd ="), r"scripts/t\.lua:3: lookup: customer: table customers has no column idd \(it has id, name\)"),
    (GOOD.replace('"customers"', '"custmers"'), r"scripts/t\.lua:2: lookup: customer: .*custmers"),
    (GOOD.replace("table", "tabel"), r"scripts/t\.lua:\d: lookup: customer: unknown option 'tabel': did you mean 'table'\?"),
    (GOOD.replace("columns", "ttl = '5 minutes', columns"), r"scripts/t\.lua:\d: lookup: customer: ttl: '5 minutes' is no duration"),
    ('lookup = { "customers" },', r"scripts/t\.lua:\d: lookup: names are needed"),
    (GOOD + 'columns = { id = "id", name = "customer.nmae" },', r"scripts/t\.lua:\d: columns: name: look-up customer has no column 'nmae'"),
], ids=lambda value: re.sub(r"\W+", "-", value)[:60])
def test_a_look_up_that_cannot_be_is_found_by_check(job, request, text, said):
    into_either(job, request, "sqlite", file_source("in.jsonl", "json"), "CREATE TABLE t (id INT PRIMARY KEY, name TEXT); CREATE TABLE customers (id INT PRIMARY KEY, name TEXT)",
                t="return {\n" + text + "\n}")
    checked = job.command("check", "job.lua")
    assert checked.code == 2 and re.search(said, checked.err), checked.err


def test_a_sink_without_tables_is_refused(job):
    job.write(t="return {\n" + GOOD + "\n}").job(file_source("in.jsonl", "json"), jsonl_sink("-"))
    for command in (job.command("check", "job.lua"), job.run(), job.run("--dry-run")):
        assert command.code == 2 and "scripts/t.lua:2: lookup: customer: the sink jsonl has no tables that could be asked" in command.err, command.err
