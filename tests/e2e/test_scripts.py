"""What a table script can say and see, through the whole program."""

import json
import re

import pytest

from support.debezium import Table
from support.files import dead_letters, into_sqlite, kcat_lines, rows, sqlite, tab_lines
from support.job import file_source, tidb_sink

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT DEFAULT 'default')"


def run(job, records, script, schema=SCHEMA, **more):
    job.file("in.tsv", tab_lines(records))
    into_sqlite(job, file_source("in.tsv", key_separator="\t"), schema, t=script, **more)
    return job.run().ok()


def row(i=1, **more):
    return {"id": i, "v": f"v{i}", **more}


def test_null_absent_and_has(job):
    table = Table("t")
    run(job, [table.insert({"id": 1, "v": None}), table.insert({"id": 2})], '''
      return { map = function(row)
        return { id = row.id, v = tostring(row.v) .. tostring(row:has "v") .. tostring(row:has "ID") .. tostring(row:has "nope") }
      end }''')
    assert [r["v"] for r in rows(job)] == ["niltruetruefalse", "nilfalsetruefalse"]


def test_sl_null_writes_null_and_what_is_left_out_is_its_default(job):
    run(job, [Table("t").insert(row())], '''
      local sl = require "streamlua"
      return { map = function(row) return { id = row.id, v = sl.null } end }''')
    assert rows(job) == [{"id": 1, "v": None, "w": "default"}]


def test_all_that_ctx_knows(job):
    table = Table("t")
    records = [table.insert(row(), time_ms=1700000000001), table.update({"v": "v1"}, row() | {"v": "new"}, time_ms=1700000000002), table.delete(row() | {"v": "new"}),
               table.read(row(2))]
    for record in records:
        record.headers, record.partition = [("h", "1")], 5
    job.file("in.jsonl", kcat_lines(records))
    into_sqlite(job, file_source("in.jsonl", envelope="kcat"), SCHEMA, t='''
      local sl = require "streamlua"
      return { filter = function(row, ctx)
        print("@" .. sl.json.encode { op = ctx.op, old = ctx.old and ctx.old.v, v = row.v, database = ctx.database, table = ctx.table, time = ctx.time,
          key = ctx.key, h = ctx.headers.h, topic = ctx.topic, partition = ctx.partition, offset = ctx.offset, now = ctx.now > 1.7e12 })
        return true end }''')
    ended = job.run().ok()
    seen = [json.loads(line.split("@", 1)[1]) for line in ended.err.splitlines() if "@{" in line]
    common = {"database": "shop", "table": "t", "h": "1", "topic": records[0].topic, "partition": 5, "now": True}
    assert seen[0] == {**common, "op": "insert", "v": "v1", "key": {"id": 1}, "offset": 0, "time": 1700000000001}
    assert seen[1] == {**common, "op": "update", "old": "v1", "v": "new", "key": {"id": 1}, "offset": 1, "time": 1700000000002}
    assert {n: seen[2][n] for n in ("op", "v", "offset")} == {"op": "delete", "v": "new", "offset": 2} and "old" not in seen[2]
    assert seen[3]["op"] == "snapshot" and len(seen) == 4


def test_map_makes_none_one_or_several_rows_in_several_tables(job):
    table = Table("t")
    records = [table.insert(row(i)) for i in (1, 2, 3)] + [table.delete(row(3))]
    run(job, records, '''return { map = function(row, ctx)
      if row.id == 1 then return nil end
      ctx:emit("log", { id = row.id, v = ctx.op })
      ctx:emit("log", { id = -row.id, v = "minus" })
      return { id = row.id, v = row.v:upper() } end }''', SCHEMA + "; CREATE TABLE log (id INTEGER PRIMARY KEY, v TEXT)").counts(written=3, filtered=1)
    assert [(r["id"], r["v"]) for r in rows(job)] == [(2, "V2")]
    assert rows(job, "SELECT * FROM log ORDER BY id") == [{"id": -2, "v": "minus"}, {"id": 2, "v": "insert"}]  # a delete takes its own back


def test_where_deletes_what_stops_matching(job):
    table = Table("t")
    run(job, [table.insert(row(1)), table.insert(row(2)), table.update({}, row(1, w="gone")), table.insert(row(3, w="gone")), table.update({"w": "gone"}, row(3, w="back"))],
        'return { where = function(row) return row.w ~= "gone" end }')
    assert [r["id"] for r in rows(job)] == [2, 3]


def test_filter_drops_the_message_alone(job):
    table = Table("t")
    run(job, [table.insert(row(1)), table.update({}, row(1, w="no")), table.delete(row(1, w="no"))], 'return { filter = function(row) return row.w ~= "no" end }').counts(written=1, filtered=2)
    assert [(r["id"], r["v"]) for r in rows(job)] == [(1, "v1")]


def test_owns_leaves_the_other_columns_alone(job):
    sqlite(job.folder / "out.db", SCHEMA + "; INSERT INTO t VALUES (1, 'old', 'kept')")
    job.file("in.tsv", tab_lines([Table("t").update({}, row(1))]))
    into_sqlite(job, file_source("in.tsv", key_separator="\t"), "SELECT 1", t='return { owns = { "id", "v" }, map = function(row) return { id = row.id, v = row.v } end }')
    job.run().ok()
    assert rows(job) == [{"id": 1, "v": "v1", "w": "kept"}]


@pytest.mark.parametrize("script", ["return { columns = { id = 'id', v = 'v' } }", "return { columns = { id = 'ID', v = function(row) return row.V end } }",
                                    "return { map = function(row) local r = {} for k, x in pairs(row) do r[k] = x end return r end }", "return {}"],
                         ids=["columns", "function", "pairs", "copy"])
def test_columns_match_without_regard_to_case(job, script):
    run(job, [Table("t", key=("Id",)).insert({"Id": 1, "V": "v1"})], script)
    assert [(r["id"], r["v"]) for r in rows(job)] == [(1, "v1")]


def test_a_key_that_is_computed(job):
    table = Table("t")
    run(job, [table.insert(row(1)), table.insert(row(2)), table.update({}, row(2, w="x")), table.delete(row(1))],
        'return { columns = { id = function(row) return row.id + 100 end, v = "v" } }')
    assert [(r["id"], r["v"]) for r in rows(job)] == [(102, "v2")]


@pytest.mark.parametrize("key_by", ['"table"', '"row"', '{ "v" }', 'function(row) return row.id % 3 end'], ids=["table", "row", "columns", "function"])
def test_changes_of_one_key_stay_in_order_however_they_are_spread(job, mariadb, database, key_by):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), n INT)", database=database)
    table = Table("t")
    records = [table.insert({"id": i, "v": f"v{i}", "n": 0}) for i in range(50)]
    records += [table.update({"n": n - 1}, {"id": i, "v": f"v{i}", "n": n}) for n in range(1, 21) for i in range(50)]
    job.file("in.tsv", tab_lines(records)).write(t=f"return {{ key_by = {key_by} }}")
    job.job(file_source("in.tsv", key_separator="\t"), tidb_sink(mariadb, database)).run().ok().counts(written=1050)
    assert mariadb.execute("SELECT count(*) AS c, min(n) AS least FROM t", database=database) == [{"c": 50, "least": 20}]


def test_an_update_changes_the_row_that_is_there_and_makes_none(job):
    sqlite(job.folder / "out.db", SCHEMA + "; INSERT INTO t VALUES (1, 'old', 'kept')")
    job.file("in.tsv", tab_lines([Table("t").update({}, row(1)), Table("t").update({}, row(2))]))
    into_sqlite(job, file_source("in.tsv", key_separator="\t"), "SELECT 1", t='return { write = "update", park_for = "100ms", columns = { id = "id", v = "v" } }')
    job.run().ok().counts(written=1, dead_letters=1)
    assert rows(job) == [{"id": 1, "v": "v1", "w": "kept"}]


def test_modules_beside_the_job(job):
    job.file("lib/names.lua", 'return { loud = require("lib.deep.er") }').file("lib/deep/er.lua", "return function(text) return text:upper() end")
    run(job, [Table("t").insert(row())], '''local names = require "lib.names"
      return { columns = { id = "id", v = function(row) return names.loud(row.v) end } }''')
    assert rows(job)[0]["v"] == "V1"


def test_an_error_in_a_module_names_its_line(job):
    job.file("lib.lua", "return {\n  f = function(x)\n    return x.y.z\n  end }")
    run(job, [Table("t").insert(row())], 'local lib = require "lib"\nreturn { columns = { id = "id", v = function(row) return lib.f(row) end } }').counts(dead_letters=1)
    assert re.match(r"lib\.lua:3: ", dead_letters(job)[0]["error"])


def test_tables_by_name_and_by_database(job):
    records = [Table("t", database="a").insert(row(1)), Table("t", database="b").insert(row(2)), Table("t", database="c").insert(row(3))]
    run(job, records, "return {}", SCHEMA + "; CREATE TABLE special (id INTEGER PRIMARY KEY, v TEXT)", **{"b.t": 'return { target = "special" }'})
    assert [r["id"] for r in rows(job)] == [1, 3]
    assert [r["id"] for r in rows(job, "SELECT * FROM special")] == [2]


def test_zones_are_those_of_the_system(job):
    code = '''local sl = require "streamlua"
return { columns = { id = "id", v = function(row) return sl.time.convert(row.v, "Europe/Berlin", row.w) end, w = function(row)
  return sl.time.format(sl.time.parse(row.v, "Europe/Berlin"), row.w)
end } }'''
    moments = [("2024-01-31 12:00:00.123456", "UTC"), ("2024-07-01 12:00:00", "Asia/Shanghai"), ("2024-07-01 00:00:00.5", "-03:30"),
               ("2024-10-27 02:30:00", "UTC"), ("2024-03-31 02:30:00", "UTC"), ("2024-01-31 12:00:00", "Mars/Olympus")]
    run(job, [Table("t").insert({"id": i, "v": v, "w": w}) for i, (v, w) in enumerate(moments)], code).counts(written=5, dead_letters=1)
    assert [(r["v"], r["w"]) for r in rows(job)] == [
        ("2024-01-31 11:00:00.123456", "2024-01-31 11:00:00.123"), ("2024-07-01 18:00:00", "2024-07-01 18:00:00.000"),
        ("2024-06-30 18:30:00.5", "2024-06-30 18:30:00.500"), ("2024-10-27 00:30:00", "2024-10-27 00:30:00.000"),
        ("2024-03-31 01:30:00", "2024-03-31 01:30:00.000")]
    assert 'there is no time zone "Mars/Olympus"' in dead_letters(job)[0]["error"]


def test_large_integers_and_bits_are_worked_with_exactly(job):
    code = '''local sl = require "streamlua"
return { columns = { id = "id", v = function(row) return sl.int64.add(row.v, 1) end, w = function(row) return sl.decimal.div(row.v, 3, 2) end } }'''
    run(job, [Table("t").insert({"id": 1, "v": str(2**64 - 2), "w": None}), Table("t").insert({"id": 2, "v": 41, "w": None})], code).counts(written=2)
    assert [(r["v"], r["w"]) for r in rows(job)] == [("18446744073709551615", "6148914691236517204.67"), ("42", "13.67")]


def test_bit_strings_in_examples_are_bytes_or_numbers(job, mariadb, database):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, flags BIT(12), blob_ BLOB, day DATE)", database=database)
    script = r'''return { columns = { id = "id", flags = function(row) return row.flags end, blob_ = function(row) return row.blob_ end, day = "day" }, examples = {
  { op = "insert", row = { id = 1, flags = "\1\2", blob_ = "\0\255", day = "2024-01-31" },
    expect = { id = 1, flags = "\1\2", blob_ = "\0\255", day = "2024-01-31" } },
  { op = "insert", row = { id = 1, flags = 258 }, expect = { id = 1, flags = "\1\2" } },
  { op = "insert", row = { id = 1, flags = 5 }, expect = { id = 1, flags = 5 } },
} }'''
    for format in ("debezium", "maxwell", "json"):
        job.file("in.jsonl", "").write(t=script).job(file_source("in.jsonl", format), tidb_sink(mariadb, database))
        job.command("check", "job.lua").ok()
