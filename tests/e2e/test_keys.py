"""What tells rows apart: keys that change, in every format and by paths; tables that have no primary key, in the source or in the target."""

import json

import pytest

from support.files import dead_letters, into_sqlite, rows
from support.job import file_source, kafka_source, tidb_sink
from support.debezium import Table

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
HEAP = "CREATE TABLE t (id INTEGER, v TEXT)"


def debezium(op, before, after):
    return {"before": before, "after": after, "op": op, "source": {"db": "shop", "table": "t", "ts_ms": 5}}


def maxwell(op, before, after):
    kind = {"c": "insert", "u": "update", "d": "delete"}[op]
    old = {"old": {name: value for name, value in before.items() if after[name] != value}} if op == "u" else {}
    return {"database": "shop", "table": "t", "type": kind, "ts": 5, "data": after or before, **old}


def canal(op, before, after):
    kind = {"c": "INSERT", "u": "UPDATE", "d": "DELETE"}[op]
    old = [{name: value for name, value in before.items() if after[name] != value}] if op == "u" else None
    return {"database": "shop", "table": "t", "type": kind, "isDdl": False, "es": 5, "data": [after or before], "old": old}


def simple(op, before, after):
    kind = {"c": "INSERT", "u": "UPDATE", "d": "DELETE"}[op]
    return {"version": 1, "database": "shop", "table": "t", "type": kind, "commitTs": 445980364316180481, "data": after, "old": before}


def plain(op, before, after):
    return {"op": {"c": "insert", "u": "update", "d": "delete"}[op], "table": "t", "row": after, "old": before}


PLAIN = {1: "json", "table": {"field": "table"}, "op": "op", "row": "row", "old": "old"}
# None of them names the key.
FORMATS = {"debezium": ("debezium", debezium), "maxwell": ("maxwell", maxwell), "canal": ("canal", canal), "simple": ("ticdc", simple), "json": (PLAIN, plain)}
every_format = pytest.mark.parametrize("name", FORMATS)

CHANGES = [
    ("c", None, {"id": 1, "v": "a"}), ("c", None, {"id": 2, "v": "b"}), ("c", None, {"id": 3, "v": "c"}),
    ("u", {"id": 1, "v": "a"}, {"id": 4, "v": "a"}),  # another key alone
    ("u", {"id": 2, "v": "b"}, {"id": 5, "v": "x"}),  # and another value
    ("u", {"id": 5, "v": "x"}, {"id": 2, "v": "y"}),  # back again
    ("d", {"id": 3, "v": "c"}, None),
    ("u", {"id": 4, "v": "a"}, {"id": 3, "v": "z"}),  # into one that is free by now
]
AFTER = [(2, "y"), (3, "z")]


def run(job, name, changes, script="return {}", schema=SCHEMA, wrap=lambda row: row):
    setting, make = FORMATS[name]
    job.file("in.jsonl", "".join(json.dumps(make(op, before and wrap(before), after and wrap(after))) + "\n" for op, before, after in changes))
    into_sqlite(job, file_source("in.jsonl", setting), schema, t=script)
    return job.run().ok()


def table(job):
    return [tuple(row.values()) for row in rows(job, "SELECT id, v FROM t ORDER BY id")]


@every_format
@pytest.mark.parametrize("script", [
    "return {}",
    "return { columns = { id = 'id', v = function(row) return row.v end } }",
    "return { columns = { id = function(row) return row.id end, v = 'v' } }",
    "return { map = function(row) return { id = row.id, v = row.v } end }",
])
def test_a_key_that_changes(job, name, script):
    run(job, name, CHANGES, script).counts(written=len(CHANGES))
    assert table(job) == AFTER


@every_format
@pytest.mark.parametrize("script", [
    "return { columns = { id = 'payload.id', v = 'payload.inner.v' } }",
    "return { columns = { id = 'payload.id', v = function(row) return row['payload.inner.v'] end } }",
    "return { columns = { id = function(row) return row['payload.id'] end, v = 'payload.inner.v' } }",
])
def test_a_key_that_changes_within_another_column(job, name, script):
    run(job, name, CHANGES, script, wrap=lambda row: {"payload": {"id": row["id"], "inner": {"v": row["v"]}}}).counts(written=len(CHANGES))
    assert table(job) == AFTER


@every_format
def test_a_target_without_a_primary_key_has_the_script_s(job, name):
    run(job, name, CHANGES, "return { key = { 'id' } }", HEAP).counts(written=len(CHANGES))
    assert table(job) == AFTER
    job.run("--from", "earliest").ok()
    assert table(job) == AFTER


def test_rows_without_any_key_are_told_apart_by_all_their_columns(job):
    changes = [("c", None, {"id": 1, "v": "a"}), ("c", None, {"id": 1, "v": "b"}), ("c", None, {"id": 1, "v": "a"}), ("c", None, {"id": 2, "v": "c"}),
               ("u", {"id": 1, "v": "b"}, {"id": 1, "v": "d"}), ("d", {"id": 2, "v": "c"}, None)]
    run(job, "debezium", changes, "return { key = { 'id', 'v' } }", HEAP).counts(written=6)
    assert sorted(table(job)) == [(1, "a"), (1, "d")]
    job.run("--from", "earliest").ok()
    assert sorted(table(job)) == [(1, "a"), (1, "d")]


def test_a_key_that_is_null_tells_nothing_apart(job):
    run(job, "debezium", [("c", None, {"id": None, "v": "a"}), ("c", None, {"id": 1, "v": "a"})], "return { key = { 'id' } }", HEAP).counts(
        written=1, dead_letters=1)
    assert "key column id is NULL" in dead_letters(job)[0]["error"]


def test_a_table_with_no_key_at_all_is_refused_by_name(job):
    job.file("in.jsonl", "")
    into_sqlite(job, file_source("in.jsonl", "debezium"), HEAP, t="return {}")
    ended = job.run()
    assert ended.code == 2 and "table t has no primary key" in ended.err and "key" in ended.err


def test_what_is_done_again_after_a_crash_is_not_there_twice(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE t (id INT, v VARCHAR(20))", database=database)
    source = Table("t", topic=topic("t", partitions=2))
    kafka.produce([source.insert({"id": n % 50, "v": f"v{n % 7}"}) for n in range(1000)])
    job.write(t="return { key = { 'id', 'v' } }").job(kafka_source(kafka, source.topic), tidb_sink(mariadb, database, port=proxy.port))
    cut = proxy.cut_answer(r"COMMIT")
    job.start()
    cut.wait()
    job.kill()
    job.run("--until", "latest").ok()
    job.run("--from", "earliest", "--until", "latest").ok()
    assert mariadb.value("SELECT COUNT(*) FROM t", database=database) == mariadb.value("SELECT COUNT(DISTINCT id, v) FROM t", database=database) == 350
