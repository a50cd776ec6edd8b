"""SQLite as the target: what it cannot keep exactly is said, all else is exact, and a killed run goes on without doubles. JSON lines and
the black hole beside it."""

import decimal
import json

import pytest

from support import oracle
from support.debezium import DECIMAL, INT64, JSON, Table
from support.files import dead_letters, into_sqlite, rows, tab_lines
from support.job import Lua, file_source, jsonl_sink, tidb_sink

D = decimal.Decimal
BIG = "1234567890123456789012345678901234567890"  # 40 digits


def from_file(job, records, schema, **scripts):
    job.file("in.tsv", tab_lines(records))
    return into_sqlite(job, file_source("in.tsv", key_separator="\t"), schema, **(scripts or {"t": "return {}"}))


def test_the_same_job_gives_the_same_rows_as_mariadb(job, jobs, mariadb, database):
    table = Table("t", schemas=True, types={"n": INT64, "d": DECIMAL(2), "s": JSON})
    row = {"id": 1, "n": 2**53 + 1, "d": D("12.30"), "s": '{"a": [1, 2.50]}', "u": "snow ☃ 😀 'quoted' \\ \n"}
    changes = [table.insert(row), table.insert({**row, "id": 2}), table.update({}, {**row, "id": 2, "u": None}),
               table.insert({**row, "id": 3}), table.delete({**row, "id": 3}), *table.change_key({**row, "id": 1}, {**row, "id": 9})]
    columns = "n BIGINT, d TEXT, s TEXT, u TEXT"
    from_file(job, changes, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})").run().ok()
    mariadb.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})", database=database)
    other = jobs("mariadb").file("in.tsv", tab_lines(changes)).write(t="return {}")
    other.job(file_source("in.tsv", key_separator="\t"), tidb_sink(mariadb, database)).run().ok()
    expected = oracle.Oracle(t=oracle.Table(["id"]))
    expected.apply(table.changes)
    assert set(expected["t"].rows) == {("2",), ("9",)}
    expected.expect_in_sqlite(job.folder / "out.db")
    expected.expect_in_mariadb(mariadb, database)


@pytest.mark.parametrize("column, value, type", [
    ("INTEGER", 2**63, None), ("INTEGER", 2**64 - 1, None), ("DECIMAL(40,0)", D(BIG), DECIMAL(0)), ("NUMERIC", D("12345678.123456789"), DECIMAL(9))],
    ids=["2^63", "2^64-1", "40 digits", "17 digits"])
def test_a_number_that_would_be_rounded_is_a_dead_letter_that_says_what_to_do(job, column, value, type):
    table = Table("t", schemas=True, types={"v": type or DECIMAL(0)})
    records = [table.insert({"id": 1, "v": value}), table.insert({"id": 2, "v": D(7)})]
    ended = from_file(job, records, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {column})").run().ok()
    assert [row["id"] for row in rows(job)] == [2]
    [letter] = dead_letters(job)
    assert letter["stage"] == "sink" and letter["source_table"].endswith("t") and letter["offset"] == 0
    assert "v" in letter["error"] and "TEXT" in letter["error"], letter["error"]
    assert (letter["key"], letter["value"]) == (records[0].key, records[0].value)
    ended.counts(written=1, dead_letters=1)


@pytest.mark.parametrize("column", ["TEXT", "BLOB"])
def test_the_same_numbers_are_exact_as_text(job, column):
    table = Table("t", schemas=True, types={"v": DECIMAL(0), "w": DECIMAL(9)})
    schema = f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {column}, w {column})"
    from_file(job, [table.insert({"id": 1, "v": D(BIG), "w": D("12345678.123456789")})], schema).run().ok()
    assert [{name: v.decode() if isinstance(v, bytes) else v for name, v in row.items()} for row in rows(job)] == [
        {"id": 1, "v": BIG, "w": "12345678.123456789"}]


def test_values_pass_unchanged_copied_and_through_lua(job):
    values = {"id": 1, "n": 2**53 + 1, "m": -2**63, "d15": D("1234567890.12345"), "d40": D(BIG), "u": "ж😀'\"\\\0\n", "b": bytes(range(256)),
              "j": '{"a": [1.10, null]}', "z": None, "e": ""}
    table = Table("t", schemas=True, types={"j": JSON, "d15": DECIMAL(5), "d40": DECIMAL(0)})
    columns = "id INTEGER PRIMARY KEY, n INTEGER, m INTEGER, d15 TEXT, d40 TEXT, u TEXT, b BLOB, j TEXT, z TEXT, e TEXT"
    through = 'return { source = "t", target = "u", map = function(row) local r = {} for k, v in pairs(row) do r[k] = v end return r end }'
    job2 = 'return { source = { "copied.t" }, target = "t" }'
    other = Table("t", schemas=True, database="lua", types=table.types)
    copied = Table("t", schemas=True, database="copied", types=table.types)
    from_file(job, [copied.insert(values), other.insert(values)],
                f"CREATE TABLE t ({columns}); CREATE TABLE u ({columns})", t=job2, u=through).run().ok()
    for name in "tu":
        [row] = rows(job, f"SELECT * FROM {name}")
        assert row == {**values, "d15": "1234567890.12345", "d40": BIG}, name


def test_a_killed_run_goes_on_without_doubles(job):
    table = Table("t")
    count = 60_000
    records = [table.insert({"id": i, "n": 0}) for i in range(count)]
    # The log has a line more for every change that is written twice.
    from_file(job, records, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE log (at INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER);"
                "CREATE TRIGGER made AFTER INSERT ON t BEGIN INSERT INTO log (id) VALUES (new.id); END;"
                "CREATE TRIGGER again AFTER UPDATE ON t BEGIN INSERT INTO log (id) VALUES (new.id); END")
    kills = 0
    for _ in range(3):
        before = written(job)
        job.start("--http", "off", ready=False)
        job.wait_for(lambda: job.process.poll() is not None or written(job) > before, "some rows")
        if job.process.poll() is None:
            job.kill()
            kills += 1
    job.run().ok()
    assert kills > 0
    assert rows(job, "SELECT count(*) AS n FROM t") == rows(job, "SELECT count(*) AS n FROM log") == [{"n": count}]


def written(job):
    return rows(job, "SELECT count(*) AS n FROM log")[0]["n"]


# ---- json lines, black hole ----

def test_json_lines_are_as_the_contract_says(job):
    table = Table("t", schemas=True, types={"d": DECIMAL(2), "big": DECIMAL(0)})
    row = {"id": 1, "d": D("1.10"), "big": D(BIG), "n": 2**53 + 1, "u": "☃", "z": None}
    changes = [table.insert(row), table.update({}, {**row, "d": D("2.50")}), table.delete({**row, "d": D("2.50")})]
    job.file("in.tsv", tab_lines([*changes, Table("t").insert({"id": 2})])).write(t='return { key = { "id" } }')
    job.job(file_source("in.tsv", key_separator="\t"), jsonl_sink("out.jsonl")).run().ok()
    lines = [json.loads(line, parse_float=D) for line in (job.folder / "out.jsonl").read_text().splitlines()]
    assert [line["op"] for line in lines] == ["upsert", "upsert", "delete", "upsert"]  # each change, in order, unmerged
    assert lines[0] == {"op": "upsert", "table": "t", "row": {**row, "big": int(BIG)}}
    assert str(lines[1]["row"]["d"]) == "2.50"
    assert lines[2] == {"op": "delete", "table": "t", "row": {"id": 1}}


@pytest.mark.parametrize("sink", [jsonl_sink("out.jsonl"), Lua("sl.sink.blackhole()")], ids=["jsonl", "blackhole"])
@pytest.mark.parametrize("place", [None, "bad/letters.jsonl"])
def test_dead_letters_of_sinks_that_are_no_database_go_to_a_file(job, sink, place):
    job.folder.joinpath("bad").mkdir()
    bad = b'k\t{"op": not json\n'
    job.file("in.tsv", tab_lines([Table("t").insert({"id": 1})]) + bad).write(t='return { key = { "id" } }')
    ended = job.job(file_source("in.tsv", key_separator="\t"), sink, dead_letters=place).run().ok()
    path = job.folder / (place or f"{job.name}.dead-letters.jsonl")
    [letter] = map(json.loads, path.read_text().splitlines())
    assert (letter["stage"], letter["topic"], letter["partition"], letter["offset"], letter["key"], letter["value"]) == (
        "decode", "in.tsv", 0, 1, "k", '{"op": not json')
    assert letter["error"] and letter["job"] == job.name and letter["at"]
    ended.counts(written=1, dead_letters=1)
