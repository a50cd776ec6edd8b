"""`merge`: rows that are added up in the database, held against what a GROUP BY over the source's own rows says, however often workers are killed."""

import random
import re

import pytest

from support.debezium import DECIMAL, Table
from support.files import into_either
from support.job import file_source, jsonl_sink, kafka_source, tidb_sink
from support.workload import Workload

CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
PARTITIONS = 3

SCHEMA = """
CREATE TABLE customers (name VARCHAR(20){ci} PRIMARY KEY, orders INT NOT NULL, total DECIMAL(20,2), pieces BIGINT);
CREATE TABLE spread (sku VARCHAR(20), shard TINYINT, n BIGINT, PRIMARY KEY (sku, shard));
CREATE TABLE logins (who VARCHAR(20){ci} PRIMARY KEY, n INT, last DATETIME, first DATETIME, device VARCHAR(200){bin}, least INT)"""

SCRIPTS = {
    "orders": """
local M = { target = "customers", merge = { orders = "sum", total = "sum", pieces = "sum" } }
M.columns = { name = "customer", orders = function() return 1 end, total = "price", pieces = "pieces" }
function M.where(row) return row.state ~= "void" end
return M""",
    "items": """
return { target = "spread", merge = { n = "sum" }, shard = { column = "shard", count = 2 },
  map = function(row) if row.n then return { sku = row.sku, n = row.n } end end }""",
    "logins": """
return { merge = { n = "sum", last = "max", first = "min", device = "set", least = "min" },
  columns = { who = "who", n = function() return 1 end, last = "at", first = "at", device = "device", least = "points" } }""",
}


def order(number, dice):
    return {"id": number, "customer": dice.choice(["ann", "bob", "cem"]), "price": None if dice.random() < 0.1 else dice.randrange(-500, 10_000) / 100,
            "pieces": dice.randrange(10), "state": dice.choice(["paid", "void", None])}


def item(number, dice):
    return {"id": number, "sku": dice.choice(["tea", "mug"]), "n": dice.choice([None, 1, 2, 3])}


def cents(value):
    return None if value is None else round(float(value) * 100)


class Logins:
    """Inserts alone, of keys that the database takes for one however they are spelled."""

    def __init__(self, table):
        self.table, self.rows, self.dice = table, [], random.Random(5)

    def changes(self, count):
        made = [{"id": len(self.rows) + i, "who": self.dice.choice(["ann", "ANN", "bob"]),
                 "at": f"2024-01-{self.dice.randrange(1, 29):02} 12:00:{self.dice.randrange(60):02}",
                 "device": self.dice.choice([None, "tv", "phone", "web,tv", "fridge"]), "points": self.dice.choice([None, self.dice.randrange(100)])}
                for i in range(count)]
        self.rows += made
        return [self.table.insert(row, partition=row["id"] % PARTITIONS) for row in made]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_what_is_added_up_is_what_a_group_by_says_whoever_is_killed(kafka, topic, job, request, into):
    orders = Workload(Table("orders", topic=topic("orders", partitions=PARTITIONS), types={"price": DECIMAL(2)}), order, PARTITIONS, seed=11)
    items = Workload(Table("items", topic=topic("items", partitions=PARTITIONS)), item, PARTITIONS, seed=12)
    logins = Logins(Table("logins", topic=topic("logins", partitions=PARTITIONS)))
    sources, chunk = (orders, items, logins), 500
    topics = [each.table.topic for each in sources]
    spelled = {"sqlite": {"ci": " COLLATE NOCASE", "bin": ""}, "mariadb": {"ci": "", "bin": " COLLATE utf8mb4_bin"}}[into]
    # So slow that a kill meets transactions on their way.
    found = into_either(job, request, into, kafka_source(kafka, topics, config=CONFIG), SCHEMA.format(**spelled), {"max_rows_per_second": 2500}, **SCRIPTS)

    def produce():
        for each in sources:
            kafka.produce(each.changes(chunk))

    def added():
        return found("SELECT COALESCE(SUM(n), 0) AS n FROM logins")[0]["n"]

    produce()
    job.start("--workers", 2)
    job.wait_for(lambda: added() > 100, "some of them")
    job.kill_worker()
    produce()
    job.wait_for(lambda: added() > 400, "more of them")
    job.kill()
    produce()
    job.start("--workers", 2)
    job.wait_for(lambda: added() > 900, "nearly all")
    job.write(**{**SCRIPTS, "items": SCRIPTS["items"] + " -- anew"}).reload()
    job.kill_worker()
    job.kill()
    job.run("--until", "latest").ok()

    assert found("SELECT error FROM streamlua_dead_letters LIMIT 3") == []
    live = [row for partition in orders.live for row in partition.values() if row["state"] != "void"]
    rows = {row["name"]: row for row in found("SELECT * FROM customers")}
    assert len(rows) == 3
    for name, row in rows.items():
        mine = [each for each in live if each["customer"] == name]
        prices = [cents(each["price"]) for each in mine if each["price"] is not None]
        assert (row["orders"], cents(row["total"]), row["pieces"]) == (len(mine), sum(prices), sum(each["pieces"] for each in mine)), name
    live = [row for partition in items.live for row in partition.values()]
    for row in found("SELECT sku, SUM(n) AS n, COUNT(*) AS shards, MIN(shard) AS low, MAX(shard) AS high FROM spread GROUP BY sku"):
        assert row["n"] == sum(each["n"] or 0 for each in live if each["sku"] == row["sku"])
        assert (row["shards"], row["low"], row["high"]) == (2, 0, 1)
    for row in found("SELECT * FROM logins"):
        mine = [each for each in logins.rows if each["who"].lower() == row["who"].lower()]
        points = [each["points"] for each in mine if each["points"] is not None]
        devices = {device for each in mine if each["device"] for device in each["device"].split(",")}
        assert (row["n"], str(row["last"]), str(row["first"]), row["least"]) == (
            len(mine), max(each["at"] for each in mine), min(each["at"] for each in mine), min(points))
        assert sorted(row["device"].split(",")) == sorted(devices)


def test_what_cannot_be_taken_back_is_a_dead_letter_and_nothing_is_added_twice(job):
    logins = Table("logins")
    first, later = {"id": 1, "who": "ann", "at": "2024-01-02 00:00:00", "n": 1}, {"id": 1, "who": "ann", "at": "2024-01-03 00:00:00", "n": 5}
    lines = [logins.insert(first), logins.update(first, later), logins.update(later, first), logins.delete(later)]
    job.file("in.jsonl", b"".join(record.value + b"\n" for record in lines).decode())
    found = into_either(job, None, "sqlite", file_source("in.jsonl"), "CREATE TABLE logins (who TEXT PRIMARY KEY, n INTEGER, at DATETIME)",
                        logins='return { merge = { n = "sum", at = "max" }, columns = { "who", "n", "at" } }')
    job.run().counts(written=2, dead_letters=2)
    assert found("SELECT * FROM logins") == [{"who": "ann", "n": 5, "at": "2024-01-03 00:00:00"}]
    assert all("column at: what an old row brought to a max cannot be taken back" in row["error"] for row in found("SELECT error FROM streamlua_dead_letters"))

    again = job.run("--from", "earliest")
    assert again.code == 2 and "scripts/logins.lua would add to logins what is in it already" in again.err
    found("DELETE FROM logins; SELECT 1")
    job.run("--from", "earliest", "--reset-state").ok()
    assert found("SELECT n FROM logins") == [{"n": 5}]


@pytest.mark.parametrize("script, reason", [
    ('return {\n  merge = { name = "sum" },\n}', r"scripts/t\.lua:2: merge: name = \"sum\": column name of t is varchar\(20\); sum adds numbers"),
    ('return {\n  merge = { naem = "max" },\n}', r"scripts/t\.lua:2: merge: table t has no column naem"),
    ('return {\n  merge = { id = "max" },\n}', r"scripts/t\.lua:2: merge: column id is part of the key of t"),
    ('return {\n  merge = { big = "sum" },\n}', r"scripts/t\.lua:2: merge: big = \"sum\": column big of t is bigint\(20\) unsigned; .*declare it without UNSIGNED"),
    ('return {\n  merge = { name = "set" },\n}', r"scripts/t\.lua:2: merge: name = \"set\": .*give it a _bin collation"),
    ('return { target = "u", merge = { n = "sum" } }', r"scripts/t\.lua:1: merge: table u has another unique index"),
    ('return { merge = { n = "sums" } }', r"scripts/t\.lua:\d: merge: n: 'sums' is none of 'sum', 'max', 'min', 'set': did you mean 'sum'\?"),
    ('return { merge = { n = "sum" }, process = function() end, key_by = { "id" } }', r"scripts/t\.lua:\d: merge: it adds to rows without any state"),
    ('return { merge = { n = "sum" }, shard = { column = "n", count = 4 } }', r"scripts/t\.lua:1: shard: column n is to be one of several in the primary key"),
], ids=lambda value: re.sub(r"\W+", "-", value)[:40])
def test_a_merge_that_cannot_be_is_found_by_check(mariadb, database, job, script, reason):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT, name VARCHAR(20), big BIGINT UNSIGNED); "
                    "CREATE TABLE u (id INT PRIMARY KEY, n INT, code INT UNIQUE)", database=database)
    checked = job.write(t=script).job(file_source("in.jsonl"), tidb_sink(mariadb, database)).command("check", "job.lua")
    assert checked.code == 2 and re.search(reason, checked.err), checked.err


def test_a_sink_without_rows_is_refused(job):
    checked = job.write(t='return { merge = { n = "sum" } }').job(file_source("in.jsonl"), jsonl_sink()).command("check", "job.lua")
    assert checked.code == 2 and "scripts/t.lua:1: merge: the sink has no rows to add to" in checked.err
    tested = job.write(t='return { merge = { n = "sum" }, examples = { { op = "delete", row = { id = 1, n = 2 }, expect = { id = 1, n = -2 } } } }')
    assert tested.command("test", "scripts").ok().out.startswith("1 passed")
