"""One message, stage by stage: what a person looks at who wonders what became of it."""

import re

import pytest

from support.debezium import Table
from support.files import flat, into_sqlite, kcat_lines, rows, sqlite
from support.job import Lua, file_source, kafka_source, sqlite_sink, tidb_sink
from support.registry import Avro
from support.servers import Record

SCRIPT = """
return { target = "t", columns = { id = "id", v = function(row) if row.v == "bad" then error "no good" end return row.v:upper() end },
         filter = function(row) return row.v ~= "no" end }
"""
SCHEMA = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(100))"


def stages(text):
    """The lines as (name, what it says), in order."""
    return [(line[:12].strip(), line[12:]) for line in text.splitlines()]


def said(result, name):
    return [what for stage, what in stages(result.ok().out) if stage == name]


@pytest.fixture
def shown(kafka, mariadb, topic, database, job):
    """A job into MariaDB that never ran; its topic holds messages of all fates: job.place(n) is where the nth is."""
    mariadb.execute(SCHEMA, database=database)
    job.topic = topic(partitions=2)
    table = Table("t", topic=job.topic)
    job.records = kafka.produce(flat([
        table.insert({"id": 1, "v": "a"}, partition=1), table.update({"id": 1, "v": "a"}, {"id": 2, "v": "b"}, partition=1),
        table.delete({"id": 2, "v": "b"}, partition=1), table.insert({"id": 3, "v": "no"}, partition=1), table.insert({"id": 4, "v": "bad"}, partition=1),
        Table("u", topic=job.topic).insert({"id": 1}, partition=1), Record(job.topic, b"\xff", b"no json", 1),
        Record(job.topic, b"k", b'{"ts_ms":1}', 1)]))
    job.place = lambda n: f"{job.topic}:1:{n}"
    return job.write(t=SCRIPT).job(kafka_source(kafka, job.topic), tidb_sink(mariadb, database, lanes=4))


def explain(job, n):
    return job.command("explain", "job.lua", job.place(n))


def test_an_insert(shown, mariadb, database):
    result = explain(shown, 0)
    assert [name for name, _ in stages(result.ok().out)][:8] == ["message", "event", "key", "row", "script", "row", "lane", "sql"]
    assert said(result, "message")[0].startswith(f'{{"topic":"{shown.topic}","partition":1,"offset":0,')
    assert said(result, "event") == [f"insert of shop.t, at {said(result, 'event')[0][-24:]}"]
    assert said(result, "key") == ["id = 1"]
    assert said(result, "row") == ['id = 1, v = "a"', 'upsert in t: id = 1, v = "A"']
    assert re.fullmatch(r"scripts/t\.lua, version [0-9a-f]+", said(result, "script")[0])
    assert re.fullmatch(r"[0-3] of 4", said(result, "lane")[0])
    assert re.search(r"  sql +INSERT INTO `t` \(`id`, `v`\) VALUES\n {12}\(1,'A'\)\n", result.out), result.out


def test_other_fates(shown):
    update = explain(shown, 1)
    assert said(update, "old") == ['id = 1, v = "a"'] and said(update, "key") == ["id = 1"]
    assert said(update, "row")[1:] == ["delete in t: id = 1", 'upsert in t: id = 2, v = "B"']
    assert said(explain(shown, 2), "row") == ['id = 2, v = "b"', "delete in t: id = 2"]
    assert said(explain(shown, 3), "result") == ["filtered: the script made no row of it"]
    bad = explain(shown, 4)
    assert re.search(r"a dead letter, stage script: scripts/t.lua:\d: no good", said(bad, "result")[0])
    assert "streamlua_dead_letters" in "".join(said(bad, "sql"))
    assert said(explain(shown, 5), "script") == ["none serves this table"]
    cut = explain(shown, 6)
    assert said(cut, "event") == ["none: the message cannot be decoded"] and "stage decode" in said(cut, "result")[0]
    assert '"key_base64":"/w=="' in said(cut, "message")[0]
    assert said(explain(shown, 7), "result") == ["ignored: it is no row"]


def test_nothing_is_written_and_nobody_is_disturbed(shown, kafka, mariadb, database):
    tables = mariadb.execute("SHOW TABLES", database=database)
    for n in range(8):
        explain(shown, n).ok()
    assert mariadb.execute("SHOW TABLES", database=database) == tables and mariadb.value("SELECT count(*) FROM t", database=database) == 0
    assert set(kafka.committed(f"streamlua-{shown.name}", shown.topic).values()) == {None}
    shown.start()
    shown.wait_for(lambda: shown.http_json("/status")["totals"]["read"] == 8, "all messages")
    log = shown.log()
    explain(shown, 4).ok()
    assert shown.log() == log and shown.stop().code == 0


def test_what_is_not_there(shown, kafka):
    for place, words in ((f"{shown.topic}:1:99", "there is no message"), (f"{shown.topic}:0:0", "there is no message"),
                         (f"{shown.topic}:7:0", "with a partition 7"), ("nowhere:0:0", "there is no topic nowhere")):
        ended = shown.command("explain", "job.lua", place)
        assert ended.code in (1, 2) and ended.out == "" and words in ended.err, ended
    kafka.delete_records(shown.topic, 1, 2)
    ended = explain(shown, 0)
    assert ended.code == 1 and "offset 0 is gone: the broker keeps 2..8" in ended.err, ended


@pytest.mark.parametrize("place", ["t", "t:0", "t:x:1", "t:0:x", ":0:1", "t:0:1x", "t:0:"])
def test_what_is_no_place(shown, place):
    ended = shown.command("explain", "job.lua", place)
    assert ended.code == 2 and "TOPIC:PARTITION:OFFSET" in ended.err


def test_a_line_of_a_file_and_a_record_that_it_holds(job):
    table = Table("t", topic="prod.orders")
    records = [table.insert({"id": i, "v": "x"}) for i in range(3)]
    job.file("in.jsonl", b"".join(r.value + b"\n" for r in records))
    into_sqlite(job, file_source("in.jsonl"), SCHEMA, t=SCRIPT)
    assert 'id = 2, v = "x"' in said(job.command("explain", "job.lua", "in.jsonl:0:2"), "row")
    assert job.command("explain", "job.lua", "in.jsonl:0:3").code == 1
    job.file("kcat.jsonl", kcat_lines(records)).job(file_source("kcat.jsonl", envelope="kcat"), sqlite_sink("out.db"))
    assert 'id = 1, v = "x"' in said(job.command("explain", "job.lua", "prod.orders:0:1"), "row")
    assert rows(job) == [] and sqlite(job.folder / "out.db", "SELECT name FROM sqlite_master WHERE name LIKE 'streamlua%'") == []


def test_formats_with_a_registry_and_in_lua(job, kafka, topic, registry):
    name = topic()
    kafka.produce(Avro(registry).of([Table("t", topic=name, schemas=True).insert({"id": 1, "v": "x"})]))
    into_sqlite(job, kafka_source(kafka, name, Lua(f'{{ "avro", registry = "{registry.url}" }}')), SCHEMA, t=SCRIPT)
    assert said(job.command("explain", "job.lua", f"{name}:0:0"), "row") == ['id = 1, v = "x"', 'upsert in t: id = 1, v = "X"']
    job.job(kafka_source(kafka, name, Lua("sl.format(function(m) return { { table = 't', row = { id = 1, v = 'a' } }, { table = 't', row = { id = 2, v = 'b' } } } end)")),
            sqlite_sink("out.db"))
    assert said(job.command("explain", "job.lua", f"{name}:0:0"), "event") == ["insert of t, 1 of 2", "insert of t, 2 of 2"]


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_script_that_keeps_state_finds_what_is_kept_now(job, mariadb, database, kind):
    script = """return { key_by = { "k" }, target = "t", process = function(row, state, ctx)
      local seen = ctx:map "seen"
      state.n = (state.n or 0) + 1
      seen.x = (seen.x or 0) + 10
      return { id = row.id, v = state.n + seen.x }
    end }"""
    source = file_source("in", format="json", topic="t")
    into_sqlite(job, source, SCHEMA, t=script).file("in", "".join(f'{{"id":{i},"k":{i % 2}}}\n' for i in range(7)))
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        job.job(source, tidb_sink(mariadb, database))

    def row(n):
        return [what for what in said(job.command("explain", "job.lua", f"t:0:{n}"), "row") if what.startswith("upsert in t:")][0]

    assert row(6) == "upsert in t: id = 6, v = 11"  # it never ran: there is no table of state yet
    job.run().ok()
    kept = [rows(job, "SELECT * FROM streamlua_state") if kind == "sqlite" else mariadb.execute("SELECT * FROM streamlua_state", database=database)]
    assert "id = 6, v = 55" in row(6) and "id = 1, v = 44" in row(1)
    assert kept == [rows(job, "SELECT * FROM streamlua_state") if kind == "sqlite" else mariadb.execute("SELECT * FROM streamlua_state", database=database)]
