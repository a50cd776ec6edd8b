"""What is wrong is said: what, where, and what to do. Nothing that came in is skipped without a word."""

import json
import re

import pytest

from support import wait_for
from support.debezium import Table
from support.files import dead_letters, into_sqlite, kcat_lines, rows, sqlite, tab_lines
from support.job import Lua, file_source, kafka_source, sqlite_sink, tidb_sink
from support.servers import Record

# Not INTEGER: of that, SQLite would make a key itself.
SCHEMA = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v TEXT)"


@pytest.fixture
def small(job):
    """Three rows in a file, and a SQLite table for them; scripts are written by the test."""
    job.file("in.tsv", tab_lines(Table("t").insert({"id": i, "v": f"v{i}"}) for i in (1, 2, 3)))
    return into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, t="return {}")


def refused(ended, *patterns):
    assert (ended.code, ended.out) == (2, ""), ended
    for pattern in patterns:
        assert re.search(pattern, ended.err), f"no {pattern!r} in\n{ended.err}"


# ---- jobs ----

GOOD_SOURCE, GOOD_SINK = 'sl.source.file { path = "in.tsv", format = "debezium" }', 'sl.sink.sqlite { path = "out.db" }'


@pytest.mark.parametrize("body, said", [
    ("return sl.job {", r"job\.lua:\d+: .*expected"),
    ("return 7", r"job\.lua: .*return sl\.job"),
    ("", r"job\.lua: .*return sl\.job"),
    ("return sl.job { name = 'x', source = SOURCE, sink = SINK, sinc = 1 }", r"job\.lua:2: .*unknown option 'sinc'.*'sink'"),
    ("return sl.job { source = SOURCE, sink = SINK }", r"job\.lua:2: .*option 'name' is needed"),
    ("return sl.job { name = 'a/b', source = SOURCE, sink = SINK }", r"job\.lua:2: .*'a/b'"),
    ("return sl.job { name = 'x', source = SINK, sink = SINK }", r"job\.lua:2: .*source.*this is a sink"),
    ("return sl.job { name = 'x', source = sl.source.file { path = 'in.tsv', format = 'debezum' }, sink = SINK }", r"job\.lua:2: .*did you mean 'debezium'"),
    ("return sl.job { name = 'x', source = sl.source.file { path = 'in.tsv', fromat = 'debezium' }, sink = SINK }",
     r"job\.lua:2: source\.file: unknown option 'fromat'.*'format'"),
    ("return sl.job { name = 'x', source = sl.source.fiel { }, sink = SINK }", r"job\.lua:2: .*fiel.*'file'"),
    ("return sl.job { name = 'x', source = SOURCE, sink = sl.sink.tidb { user = 'x', database = 'd', prot = 1 } }", r"unknown option 'prot'.*'port'"),
    ("return sl.job { name = 'x', source = SOURCE, sink = sl.sink.tidb { user = 'x', database = 'd', password = sl.env 'NOT_SET' } }",
     r"job\.lua:2: .*NOT_SET.*not set"),
    ("return sl.job { name = 'x', source = SOURCE, sink = SINK, on_ddl = 'halt' }", r"job\.lua:2: .*on_ddl.*halt"),
    ("return sl.job { name = 'x', source = SOURCE, sink = SINK, tables = 'nowhere' }", r"tables: folder .*nowhere: No such file"),
    ("return sl.job { name = 'x', source = SOURCE, sink = SINK, tables = { ['shop.t'] = 'scripts/none.lua' } }", r"scripts/none\.lua.*[Nn]o such file"),
    ("return sl.job { name = 'x', source = sl.source.file { path = 'no.tsv', format = 'debezium' }, sink = SINK }", r"no\.tsv.*No such file"),
    ("return sl.job { name = 'x', source = sl.source.file { path = 'scripts', format = 'debezium' }, sink = SINK }", r"/scripts: is a folder, not a file"),
    ("return sl.job { name = 'x', source = SOURCE, sink = sl.sink.sqlite { path = 'no/such/out.db' } }", r"no/such/out\.db"),
    ("return sl.job { name = 'x', source = SOURCE, sink = sl.sink.sqlite { path = 'in.tsv' } }", r"in\.tsv.*not a database"),
], ids=lambda value: re.sub(r"\W+", "-", value)[-48:])
def test_a_bad_job_says_where_and_what(small, body, said):
    small.file("job.lua", 'local sl = require "streamlua"\n' + body.replace("SOURCE", GOOD_SOURCE).replace("SINK", GOOD_SINK))
    refused(small.run(), said)
    assert rows(small) == []


def test_a_folder_without_scripts(small):
    (small.folder / "scripts/t.lua").unlink()
    refused(small.run(), r"scripts has no script.*scripts/orders\.lua")


# ---- scripts ----

@pytest.mark.parametrize("text, said", [
    ("return {\n  filter = function(row) retrun true end }", r"scripts/t\.lua:2: "),
    ("local M = {}", r"scripts/t\.lua:(1:)? .*return"),
    ("return 7", r"scripts/t\.lua:(1:)? .*table"),
    ("return { colums = {} }", r"scripts/t\.lua:1: unknown field 'colums'.*'columns'"),
    ("return { process = function() end }", r"scripts/t\.lua:(1:)? key_by: the state of a script is kept for each key"),
    ("return { lookup = {} }", r"scripts/t\.lua:(1:)? lookup: names are needed"),
    ("return { columns = { id = 'id' }, map = function() end }", r"scripts/t\.lua:(1:)? .*columns or map, not both"),
    ("return { target = 'tt' }", r"scripts/t\.lua:(1:)? target: .*\btt\b"),
    ("return { key_by = 'rwo' }", r"scripts/t\.lua:(1:)? .*did you mean 'row'"),
    ("return { write = 'insert' }", r"scripts/t\.lua:(1:)? .*write.*upsert"),
    ("return { columns = { id = 'id', w = 'v' } }", r"scripts/t\.lua:1: columns: table t has no column w \(it has id, v\)"),
    ("return { owns = { 'w' }, map = function(row) return row end }", r"scripts/t\.lua:1: owns: table t has no column w"),
    ("\x1bLJ\x02", r"scripts/t\.lua:(1:)? .*(compiled Lua|only text)"),
], ids=lambda value: re.sub(r"\W+", "-", value)[:40])
def test_a_bad_script_says_where_and_what(small, text, said):
    refused(small.write(t=text).run(), said)
    refused(small.command("check", "job.lua"), said)
    assert rows(small) == []


def test_two_scripts_for_one_table(small):
    refused(small.write(u='return { source = "t", target = "t" }').run(), r"scripts/u\.lua", r"\bt\b")


def test_of_files_a_table_has_one_script_with_repartition_too(small):
    text = 'return { source = "t", target = "%s", key_by = { "id" }, repartition = "by-%s", process = function(row, state, ctx) ctx:emit("%s", row) end }'
    refused(small.write(t=text % ("t", "t", "t"), u=text % ("t", "u", "t")).run(),
            r"scripts/t\.lua and scripts/u\.lua both serve t: `repartition`.*unless its source is Kafka")
    refused(small.write(t=text % ("t", "t", "t"), u='return { source = "t", target = "t" }').run(),
            r"scripts/u\.lua and scripts/t\.lua both serve t: `repartition`.*unless its source is Kafka")


def test_a_table_without_a_key_is_refused_by_name(small):
    sqlite(small.folder / "out.db", "CREATE TABLE k (id INTEGER, v TEXT);")
    refused(small.write(k="return {}").run(), r"scripts/k\.lua: target: table k has no primary key.*key = \{")
    small.write(k='return { key = { "id" } }').run().ok()


CLOSED = {
    "io": 'io.open("x")', "os.execute": 'os.execute("true")', "os.getenv": 'os.getenv("HOME")', "os.exit": "os.exit(0)", "ffi": 'require "ffi"',
    "ffi global": "ffi.C.exit(0)", "debug": "debug.getinfo(1)", "jit": "jit.off()", "load": 'load("return 1")', "loadstring": 'loadstring("return 1")',
    "dofile": 'dofile("x.lua")', "string.dump": "string.dump(function() end)", "method dump": '("x").dump(function() end)', "_G": "_G.x = 1",
    "getfenv": "getfenv(0)", "collectgarbage": "collectgarbage()", "package": "package.loaded.x = 1", "undeclared": "counter = 1",
    "undefined": "local x = typo", "outside": 'require "../outside"', "absolute": 'require "/etc/passwd"', "missing": 'require "lib.none"',
    "own modules": 'require "streamlua.row"', "sl": "sl.job = nil", "string methods": "getmetatable('').__index = nil",
}


@pytest.mark.parametrize("what", CLOSED)
def test_the_environment_is_closed_when_a_script_is_loaded(small, what):
    (small.folder.parent / "outside.lua").write_text("return {}")
    refused(small.write(t=f'local sl = require "streamlua"\n{CLOSED[what]}\nreturn {{}}').run(), r"scripts/t\.lua:2: ")


@pytest.mark.parametrize("what", ["io", "os.execute", "load", "undeclared", "undefined", "string.dump"])
def test_and_when_it_runs(small, what):
    ended = small.write(t=f"return {{ filter = function(row)\n{CLOSED[what]}\nreturn true end }}").run().ok()
    assert rows(small) == []
    letters = dead_letters(small)
    assert len(letters) == 3 and all(re.search(r"scripts/t\.lua:2: ", letter["error"]) for letter in letters)
    ended.counts(dead_letters=3)


def test_an_error_in_a_script_is_a_dead_letter_with_file_and_line(small):
    small.write(t='return {\n  columns = { id = "id",\n    v = function(row)\n      return row.nothing:upper()\n    end } }')
    small.run().ok().counts(dead_letters=3)
    [letter, *_] = dead_letters(small)
    assert re.match(r"scripts/t\.lua:4: ", letter["error"]), letter["error"]
    assert letter["stage"] == "script" and json.loads(letter["value"])["after"] == {"id": 1, "v": "v1"}
    assert letter["script_version"] and letter["job"] == small.name


@pytest.mark.parametrize("rule", ["stop", "skip"])
def test_on_error(small, rule):
    small.write(t=f'return {{ on_error = "{rule}", filter = function(row) if row.id == 2 then error "no twos" end return true end }}')
    ended = small.run()
    assert dead_letters(small) == []
    assert "no twos" in ended.err and "scripts/t.lua:1:" in ended.err
    if rule == "skip":
        ended.ok().counts(written=2, skipped=1)
        assert re.search(r"skipped: .*no twos", ended.err)
        assert [row["id"] for row in rows(small)] == [1, 3]
    else:
        assert ended.code == 1 and "in.tsv:0 offset 1" in ended.err and "table t" in ended.err
        small.write(t="return {}").run().ok()  # once it is mended it goes on there
        assert [row["id"] for row in rows(small)] == [1, 2, 3]


@pytest.mark.parametrize("map, said", [
    ('return { id = row.id, w = 1 }', r"table t has no column 'w'"),
    ('ctx:emit("tt", { id = 1 }) return nil', r"\btt\b"),
    ('ctx:emit("t", { id = row.id, vv = 1 })', r"table t has no column 'vv'"),
    ('return 7', r"map returned a number"),
    ('return { v = row.v }', r"id"),
    ('return { id = row.id, v = function() end }', r"column v: a function cannot be written"),
    ('row.v = 1', r"rows are read-only"),
    ('ctx.op = "delete"', r"ctx is read-only"),
    ('return { id = ctx.offfset }', r"ctx has no 'offfset'.*'offset'"),
], ids=lambda value: re.sub(r"\W+", "-", value)[:30])
def test_what_map_may_not_do_is_a_dead_letter_that_says_so(small, map, said):
    small.write(t=f"return {{ map = function(row, ctx) {map} end }}").run().ok().counts(dead_letters=3)
    assert all(re.search(said, letter["error"]) for letter in dead_letters(small)), dead_letters(small)[0]["error"]
    assert rows(small) == []


def test_a_row_that_is_kept_past_its_event_says_so(small):
    small.write(t='local first\nreturn { filter = function(row)\n  first = first or row\n  return first.v ~= "" end }')
    small.run().ok().counts(written=1, dead_letters=2)
    assert all("of an earlier event" in letter["error"] for letter in dead_letters(small))


# ---- targets ----

@pytest.fixture
def to_mariadb(job, mariadb, database):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(3) NOT NULL, n TINYINT)", database=database)
    job.file("in.tsv", tab_lines(Table("t").insert({"id": i, "v": f"v{i}"}) for i in (1, 2, 3)))
    return lambda **sink: job.write(t="return {}").job(file_source("in.tsv", key_separator="\t"), tidb_sink(mariadb, database, **sink))


@pytest.mark.parametrize("sink, said", [
    ({"password": "wrong-secret"}, r"[Aa]ccess denied"), ({"database": "no_such_db"}, r"no_such_db"), ({"user": "nobody"}, r"nobody"),
    ({"port": 1}, r"127\.0\.0\.1:1\b|127\.0\.0\.1.*port 1|\(127\.0\.0\.1:1\)|127\.0\.0\.1"), ({"host": "no.such.host.invalid"}, r"no\.such\.host\.invalid"),
], ids=["password", "database", "user", "away", "host"])
def test_a_target_that_cannot_be_had_at_start(job, mariadb, database, to_mariadb, sink, said):
    to_mariadb()
    text = (job.folder / "job.lua").read_text()
    for name, value in sink.items():
        text = re.sub(rf'\["{name}"\] = [^,}}]+', lambda _: f'["{name}"] = {json.dumps(value)} ', text)
    job.file("job.lua", text)
    if not {"port", "host"} & set(sink):  # a run waits for these: test_start.py
        ended = job.run()
        refused(ended, said)
        assert "wrong-secret" not in ended.err
    refused(job.command("check", "job.lua"), said)


def test_a_missing_target_table_or_column(job, mariadb, database, to_mariadb):
    to_mariadb()
    refused(job.write(u="return {}").run(), r"scripts/u\.lua: target: .*\bu\b")
    (job.folder / "scripts/u.lua").unlink()
    refused(job.write(t='return { columns = { id = "id", w = "v" } }').run(), r"table t has no column w \(it has id, v, n\)")


def test_values_that_the_database_refuses_are_dead_letters_and_the_rest_is_written(job, mariadb, database, to_mariadb):
    table = Table("t")
    job.file("in.tsv", tab_lines([table.insert({"id": 1, "v": "ok"}), table.insert({"id": 2, "v": "too long"}), table.insert({"id": 3, "v": None}),
                                  table.insert({"id": 4, "v": "ok", "n": 1000}), table.insert({"id": 5, "v": "ok", "n": 5})]))
    to_mariadb()
    job.run().ok().counts(written=2, dead_letters=3)
    assert [row["id"] for row in mariadb.table("t", database)] == ["1", "5"]
    letters = mariadb.execute("SELECT * FROM streamlua_dead_letters ORDER BY `offset`", database=database)
    assert [(letter["offset"], letter["stage"], letter["source_table"]) for letter in letters] == [(n, "sink", "shop.t") for n in (1, 2, 3)]
    for letter, column in zip(letters, ("v", "v", "n")):
        assert re.search(rf"\b{column}\b", letter["error"]), letter["error"]
        assert json.loads(letter["value"])["after"]["id"] == letter["offset"] + 1


# ---- messages ----

GOOD = Table("t").insert({"id": 9, "v": "good"})


@pytest.mark.parametrize("value, said", [
    (b"no json", r"."), (b"[]", r"object"), (b"[1,2]", r"object"), (b'{"before":null,"after":{"id":1},"op":"c"}', "unmatched"),
    (b'{"before":null,"after":{"id":1},"source":{"db":"d","table":"t"},"op":"x"}', r"\bx\b"),
    (b'{"before":null,"after":7,"source":{"db":"d","table":"t"},"op":"c"}', r"after"),
    (b'{"before":null,"after":null,"source":{"db":"d","table":"t"},"op":"c"}', r"after|row"),
    (b'{"before":null,"after":{"id":null,"v":"x"},"source":{"db":"d","table":"t"},"op":"c"}', r"\bid\b"),
    (b'{"before":null,"after":{"v":"x"},"source":{"db":"d","table":"t"},"op":"c"}', r"\bid\b"),
], ids=["no json", "empty list", "list", "no table", "unknown op", "row is a number", "no row", "null key", "no key"])
def test_a_bad_message_is_a_dead_letter_with_all_of_it(job, value, said):
    job.file("in.jsonl", kcat_lines([Record("x", b"k\xff", value, headers=[("h", "1")], partition=3, offset=77),
                                     Record("x", GOOD.key, GOOD.value, partition=3, offset=78)]))
    into_sqlite(job, file_source("in.jsonl", envelope="kcat"), SCHEMA, t="return {}")
    ended = job.run().ok()
    assert rows(job) == [{"id": 9, "v": "good"}]
    if said == "unmatched":
        ended.counts(written=1, unmatched=1)
        return
    ended.counts(written=1, dead_letters=1)
    [letter] = dead_letters(job)
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("x", 3, 77)
    assert (letter["key"], letter["value"]) == (b"k\xff", value)
    assert json.loads(letter["headers"]) == ["h", "1"]
    assert re.search(said or ".", letter["error"]), letter["error"]
    assert re.search(r"dead letter: ", ended.err) and "77" in ended.err


@pytest.mark.parametrize("type, value", [("INT", "twelve"), ("DATE", "yesterday"), ("DECIMAL(5,2)", "1.x"), ("BIGINT", {"a": 1})], ids=lambda v: str(v)[:8])
def test_a_value_of_the_wrong_type_names_the_column(job, mariadb, database, type, value):
    mariadb.execute(f"CREATE TABLE t (id INT PRIMARY KEY, v {type})", database=database)
    job.file("in.jsonl", json.dumps({"id": 1, "v": value}) + '\n{"id":2,"v":null}\n').write(t="return {}")
    job.job(file_source("in.jsonl", "json", topic="t"), tidb_sink(mariadb, database)).run().ok().counts(written=1, dead_letters=1)
    [letter] = mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database)
    assert re.search(r"\bv\b", letter["error"]), letter["error"]


def test_no_broker_is_waited_for(job):
    sqlite(job.folder / "out.db", SCHEMA + ";")
    job.write(t="return {}").job(Lua('sl.source.kafka { brokers = "127.0.0.1:1", topics = "t", format = "debezium" }'), sqlite_sink("out.db"))
    job.start(ready=False)
    job.wait_for(lambda: "127.0.0.1:1" in job.log(), "a word of the broker")
    wait_for(lambda: job.http("/readyz")[0] == 503 and job.http("/healthz")[0] == 200, "readyz 503")
    assert job.process.poll() is None
    assert job.stop().code == 0


def test_an_unknown_property_of_librdkafka_is_named(job):
    sqlite(job.folder / "out.db", SCHEMA + ";")
    source = kafka_source(type("K", (), {"address": "127.0.0.1:1"}), "t", config={"fetch.wait.max": 5})
    refused(job.write(t="return {}").job(source, sqlite_sink("out.db")).run(), r"fetch\.wait\.max")


def test_an_unreadable_archive(job):
    job.file("in.jsonl.gz", b"\x1f\x8b\x08\x00 this is no gzip")
    into_sqlite(job, file_source("in.jsonl.gz"), SCHEMA, t="return {}")
    ended = job.run()
    assert ended.code == 1 and re.search(r"in\.jsonl\.gz: line 1: gzip", ended.err)
