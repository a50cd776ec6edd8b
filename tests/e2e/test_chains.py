"""Chains: what a script writes into a stream goes through the scripts that read it, with their state, in the same transaction, with the same fate."""

import json
import re

import pytest

from support.debezium import DECIMAL, Table
from support.files import into_either
from support.job import file_source, kafka_source
from support.workload import Workload

CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
PARTITIONS = 3

SCHEMA = """
CREATE TABLE facts (id BIGINT PRIMARY KEY, customer VARCHAR(20), price DECIMAL(12,2));
CREATE TABLE dear (id BIGINT PRIMARY KEY, price DECIMAL(12,2));
CREATE TABLE counted (id BIGINT PRIMARY KEY, n INT, sum INT);
CREATE TABLE seen (parity INT PRIMARY KEY, n INT);
CREATE TABLE names (id BIGINT PRIMARY KEY, name VARCHAR(20));
INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (40, 'forty');
CREATE TABLE often (id BIGINT PRIMARY KEY, times INT, name VARCHAR(20))"""

SCRIPTS = {
    # Two readers of a table's rows; one of them has those that match alone.
    "orders": 'local sl = require "streamlua" return { target = sl.stream "clean", key_by = { "id" }, filter = function(row) return row.customer ~= "test" end }',
    "facts": 'local sl = require "streamlua" return { source = sl.stream "clean" }',
    "dear": 'local sl = require "streamlua" return { source = sl.stream "clean", columns = { "id", "price" }, where = function(row) return row.price > 50 end }',
    # State, a reader that fails now and then, and behind it one that adds up.
    "hits": """
local sl = require "streamlua"
return { key_by = { "id" }, target = sl.stream "counts", process = function(row, state)
  state.n, state.sum = (state.n or 0) + 1, (state.sum or 0) + row.points
  return { id = row.id, n = state.n, sum = state.sum, number = row.number }
end }""",
    "counted": """
local sl = require "streamlua"
return { source = sl.stream "counts", map = function(row, ctx)
  ctx:emit("stream:each", { id = row.id })
  if row.number % 100 == 77 then error("an unlucky number") end
  return { id = row.id, n = row.n, sum = row.sum }
end }""",
    # And one with a state of its own, which looks something up.
    "often": """
local sl = require "streamlua"
return { source = sl.stream "counts", target = "often", key_by = { "id" }, lookup = { known = { table = "names", key = "id", columns = { "name" } } },
  process = function(row, state, ctx)
    state.times = (state.times or 0) + 1
    local numbers = ctx:map "numbers"
    numbers[row.number] = (numbers[row.number] or 0) + 1
    return { id = row.id, times = state.times, name = row.known.name }
  end }""",
    "seen": """
local sl = require "streamlua"
return { source = sl.stream "each", merge = { n = "sum" }, columns = { parity = function(row) return row.id % 2 end, n = function() return 1 end } }""",
}


def order(number, dice):
    return {"id": number, "customer": dice.choice(["ann", "bob", None]), "price": dice.randrange(0, 10_000) / 100}


class Hits:
    def __init__(self, table):
        self.table, self.rows = table, []

    def changes(self, count):
        first = len(self.rows)
        made = [{"id": number * 7 % 41, "points": number % 13, "number": number} for number in range(first, first + count)]
        self.rows += made
        return [self.table.insert(row, partition=row["id"] % PARTITIONS) for row in made]

    def written(self):
        return [row for row in self.rows if row["number"] % 100 != 77]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_a_chain_is_one_transaction_whoever_is_killed(kafka, topic, job, request, into):
    orders = Workload(Table("orders", topic=topic("orders", partitions=PARTITIONS), types={"price": DECIMAL(2)}, schemas=True), order, PARTITIONS, seed=21)
    hits = Hits(Table("hits", topic=topic("hits", partitions=PARTITIONS)))
    # So slow that a kill meets transactions on their way.
    found = into_either(job, request, into, kafka_source(kafka, [orders.table.topic, hits.table.topic], config=CONFIG), SCHEMA,
                        {"max_rows_per_second": 2500}, **SCRIPTS)

    def produce():
        kafka.produce(orders.changes(600))
        kafka.produce(hits.changes(600))

    def seen():
        return found("SELECT COALESCE(SUM(n), 0) AS n FROM seen")[0]["n"]

    produce()
    job.start("--workers", 2)
    job.wait_for(lambda: seen() > 100, "some of them")
    job.kill_worker()
    produce()
    job.wait_for(lambda: seen() > 700, "more of them")
    job.kill()
    produce()
    job.start("--workers", 2)
    job.wait_for(lambda: seen() > 1300, "nearly all")
    job.write(**{**SCRIPTS, "dear": SCRIPTS["dear"] + " -- anew"}).reload()
    job.kill_worker()
    job.kill()
    job.run("--until", "latest").ok()

    written = hits.written()
    letters = found("SELECT source_table, error FROM streamlua_dead_letters ORDER BY source_table DESC")
    assert [letter for letter in letters if letter["source_table"] != "shop.hits"] == [] and len(letters) == len(hits.rows) - len(written)
    for letter in letters:
        assert re.search(r"scripts/counted\.lua:5: an unlucky number\n(.*\n)*in stream 'counts', from scripts/hits\.lua to scripts/counted\.lua", letter["error"]), letter["error"]

    live = {row["id"]: row for partition in orders.live for row in partition.values()}
    cents = {row["id"]: round(row["price"] * 100) for row in live.values()}
    assert [(row["id"], row["customer"], round(float(row["price"]) * 100)) for row in found("SELECT * FROM facts ORDER BY id")] == [
        (number, live[number]["customer"], cents[number]) for number in sorted(live)]
    assert [(row["id"], round(float(row["price"]) * 100)) for row in found("SELECT * FROM dear ORDER BY id")] == [
        (number, cents[number]) for number in sorted(live) if cents[number] > 5000]
    assert [tuple(row.values()) for row in found("SELECT id, n, sum FROM counted ORDER BY id")] == [
        (number, len(mine), sum(row["points"] for row in mine)) for number in range(41) for mine in [[row for row in written if row["id"] == number]]]
    assert [tuple(row.values()) for row in found("SELECT id, times, name FROM often ORDER BY id")] == [
        (number, sum(row["id"] == number for row in written), {0: "zero", 1: "one", 40: "forty"}.get(number)) for number in range(41)]
    assert found("SELECT COUNT(*) AS n, MAX(value + 0) AS most FROM streamlua_state WHERE script = 'often' AND map = 'numbers'") == [{"n": len(written), "most": 1}]
    assert [(row["parity"], row["n"]) for row in found("SELECT * FROM seen ORDER BY parity")] == [
        (parity, sum(row["id"] % 2 == parity for row in written)) for parity in (0, 1)]


def local(job, rows, schema="CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", more={}, **scripts):
    """From a file, whose table is a."""
    job.file("in.jsonl", rows)
    scripts = {name: 'local sl = require "streamlua"\n' + text for name, text in scripts.items()}
    return into_either(job, None, "sqlite", file_source("in.jsonl", {1: "json", "op": "op", "row": "row", "old": "old"}, topic="a"), schema, more, **scripts)


ROWS = """{"op":"insert","row":{"id":1,"name":"one"}}
{"op":"insert","row":{"id":2,"name":null}}
{"op":"update","row":{"id":2,"name":"two"},"old":{"id":2,"name":null}}
{"op":"insert","row":{"id":3,"name":"three"}}
{"op":"delete","row":{"id":1,"name":"one"}}
"""


def test_what_a_reader_sees(job):
    found = local(job, ROWS, "CREATE TABLE ops (id INT, op TEXT, name TEXT, has INT, other INT, PRIMARY KEY (id, op))",
                  a='return { target = sl.stream "s", columns = { "id", "name" } }',
                  ops='return { source = sl.stream "s", target = "ops", map = function(row, ctx) '
                      'return { op = ctx.op, id = row.id, name = row.name, has = row:has("name"), other = row:has("other") } end }')
    job.run().counts(written=5)
    # A delete takes only the key.
    assert [tuple(row.values()) for row in found("SELECT * FROM ops ORDER BY id, op")] == [
        (1, "insert", "one", 1, 0), (2, "insert", None, 1, 0), (2, "update", "two", 1, 0), (3, "insert", "three", 1, 0)]


def test_rows_are_deleted_through_the_chain_and_a_way_may_be_long(job):
    moved = '{"op":"update","row":{"id":4,"name":"three"},"old":{"id":3,"name":"three"}}\n'
    found = local(job, ROWS + moved, a='return { target = sl.stream "s1" }', b='return { source = sl.stream "s1", target = sl.stream "s2" }',
                  c='return { source = sl.stream "s2", target = "t", map = function(row, ctx) ctx:emit("stream:s3", row) end }',
                  t='return { source = sl.stream "s3", map = function(row) return { id = row.id, name = row.name and row.name:upper() } end }')
    job.run().counts(written=6)
    assert [tuple(row.values()) for row in found("SELECT * FROM t ORDER BY id")] == [(2, "TWO"), (4, "THREE")]


def test_columns_that_a_reader_does_not_give_keep_their_value(job):
    found = local(job, ROWS, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, mine TEXT DEFAULT 'x')", a='return { target = sl.stream "s" }',
                  t='return { source = sl.stream "s", columns = { "id", "name" } }')
    found("INSERT INTO t VALUES (3, 'was here', 'mine')")
    job.run().counts(written=5)
    assert [tuple(row.values()) for row in found("SELECT * FROM t ORDER BY id")] == [(2, "two", "x"), (3, "three", "mine")]


def test_a_part_of_a_row_is_no_row_of_a_stream(job):
    event = {"before": None, "after": {"id": 1, "name": "__debezium_unavailable_value"}, "source": {"db": "d", "table": "a"}, "op": "u"}
    job.file("in.jsonl", json.dumps(event) + "\n")
    found = into_either(job, None, "sqlite", file_source("in.jsonl", topic="a"),
                        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
                        a='return { target = require("streamlua").stream "s" }', t='return { source = require("streamlua").stream "s" }')
    job.run().counts(dead_letters=1)
    assert "only a part of its row, and who reads stream 's' sees whole rows" in found("SELECT error FROM streamlua_dead_letters")[0]["error"]


def test_an_update_cannot_be_added_up(job):
    found = local(job, ROWS, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)", a='return { target = sl.stream "s" }',
                  t='return { source = sl.stream "s", merge = { n = "sum" }, columns = { id = function() return 0 end, n = "id" } }')
    job.run().counts(written=4, dead_letters=1)
    assert found("SELECT n FROM t") == [{"n": 2 + 3}]
    [letter] = found("SELECT error FROM streamlua_dead_letters")
    assert letter["error"].startswith("scripts/a.lua: scripts/t.lua adds up (merge)") and letter["error"].endswith("in stream 's', from scripts/a.lua to scripts/t.lua")


def test_a_loop_that_is_made_up_meanwhile_ends(job):
    found = local(job, ROWS, a='local to = "s" return { map = function(row, ctx) ctx:emit("stream:" .. to, row) end, target = "t" }',
                  t='local to = "s" return { source = sl.stream "s", map = function(row, ctx) ctx:emit("stream:" .. to, row) end }')
    job.run().counts(written=0, dead_letters=5)
    assert "stream 's': 16 streams feed each other" in found("SELECT error FROM streamlua_dead_letters")[0]["error"]


WRITES = 'return { target = sl.stream "s" }'
READS = 'return { source = sl.stream "s" }'


@pytest.mark.parametrize("scripts, said", [
    ({"a": WRITES}, r"scripts/a\.lua:2: no script reads stream 's'"),
    ({"a": 'return {\nmap = function(row, ctx) ctx:emit("stream:clena", row) end, target = "t" }', "t": 'return { source = sl.stream "clean" }', "b": 'return { target = sl.stream "clean" }'},
     r"scripts/a\.lua:3: no script reads stream 'clena': did you mean 'clean'\?"),
    ({"t": READS}, r"scripts/t\.lua:2: source: no script writes stream 's'"),
    ({"a": WRITES, "b": 'return { source = sl.stream "s", target = sl.stream "r" }', "c": 'return { source = sl.stream "r", target = sl.stream "s" }'},
     r"scripts/c\.lua:2: the streams are a loop: scripts/b\.lua writes stream 'r', scripts/c\.lua writes stream 's', which scripts/b\.lua reads"),
    ({"a": 'return { target = sl.stream "s", key_by = { "id" }, process = function(row) return row end }', "t": 'return { source = sl.stream "s", key_by = { "name" }, process = function() end }'},
     r"scripts/t\.lua:2: key_by: scripts/a\.lua writes stream 's', and its key_by has id, which key_by of scripts/t\.lua has not"),
    ({"a": WRITES, "t": 'return { source = sl.stream "s", key_by = { "id" }, process = function() end, repartition = "t" }'},
     r"scripts/t\.lua:\d: repartition: the script reads stream 's', whose rows are a part of the event"),
    ({"a": WRITES, "t": 'return { source = sl.stream "s", owns = { "name" }, map = function() end }'},
     r"scripts/t\.lua:\d: owns: the script reads stream 's', whose rows are a part of the event"),
    ({"a": 'return { target = sl.stream "s", merge = { n = "sum" } }', "t": READS}, r"scripts/a\.lua:\d: merge: the script writes stream 's', which is no table"),
    ({"a": 'return { target = "stream:s" }', "t": READS}, r"scripts/a\.lua:\d: target: a stream is sl\.stream \"s\""),
    ({"a": 'return { target = sl.stream "a:b" }', "t": READS}, r"scripts/a\.lua:2: stream: 'a:b': letters, digits"),
    ({"a": WRITES, "t": 'return { source = sl.stream "s", columns = { id = "id", nmae = "name" } }'}, r"scripts/t\.lua:2: columns: table t has no column nmae"),
    ({"a": 'return { target = sl.stream "s", key_by = { "id" }, window = sl.tumbling "1m", time = "at", aggregate = { n = sl.count() } }',
      "t": 'return { source = sl.stream "s", merge = { n = "sum" }, columns = { "id", "n" } }'},
     r"scripts/t\.lua:2: source: the script adds up \(merge\) the rows of a window, scripts/a\.lua"),
], ids=lambda value: re.sub(r"\W+", "-", value)[:40] if isinstance(value, str) else "")
def test_a_chain_that_cannot_be_is_found_by_check(job, scripts, said):
    local(job, "", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INT)", **scripts)
    checked = job.command("check", "job.lua")
    assert checked.code == 2 and re.search(said, checked.err), checked.err
