"""Several sinks in a job: rows into tables exactly once, and beside them into topics and files at least once, never before and never without them."""

import json
import os
import random
import select
import sqlite3

import pytest

from support.job import Lua, file_source, jsonl_sink, kafka_source, lua, sqlite_sink, tidb_sink


def kafka_sink(**options):
    return Lua(f"sl.sink.kafka {lua(options)}")


def sinks(**by_name):
    return by_name


def origin(record):
    """What its headers say of where it comes from: whoever has seen that drops it."""
    return tuple(sorted((name, value) for name, value in record.headers if name.startswith("streamlua.")))


def lines(job, name):
    return [json.loads(line) for line in (job.folder / name).read_text().splitlines()]


def messages(kafka, topic):
    """(key, what it says), by id."""
    return sorted(((r.key, json.loads(r.value)) for r in kafka.consume(topic)), key=lambda one: one[1]["row"]["id"])


def numbered(count):
    return "".join(f'{{"id":{i}}}\n' for i in range(count))


@pytest.fixture
def local(job):
    """A job from a file into SQLite, with a file beside it."""
    def make(rows, script, **more):
        with sqlite3.connect(job.folder / "out.db") as target:
            target.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
        job.file("in.jsonl", rows).write(t=script)
        return job.job(file_source("in.jsonl", "json", topic="t"), sqlite_sink("out.db"), sinks=sinks(log=jsonl_sink("log.jsonl", identity=True)), **more)
    return make


def test_each_row_goes_where_its_target_says(job, kafka, mariadb, database, topic):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    mariadb.execute("CREATE TABLE u (id INT PRIMARY KEY)", database=database)
    source, named, other, shared = topic("in"), topic("named"), topic("other"), topic("shared")
    job.write(t=f"""return {{ map = function(row, ctx)
        ctx:emit("kafka:{named}", {{ id = row.id, name = "n" }})
        ctx:emit("shared:paid", {{ id = row.id }})
        ctx:emit("log:seen", {{ id = row.id }})
        ctx:emit("u", {{ id = row.id }})
        return {{ id = row.id }}
      end }}""", v=f'return {{ source = "v", target = "kafka:{other}", key = {{ "id" }}, columns = {{ id = "id" }} }}')
    job.job(kafka_source(kafka, source, ["json", Lua('table = { field = "table" }, row = "row"')]), tidb_sink(mariadb, database),
            sinks=sinks(kafka=kafka_sink(), shared=kafka_sink(topic=shared, key="id"), log=jsonl_sink("log.jsonl", identity=True)))
    kafka.produce([(source, 0, None, json.dumps({"table": table, "row": {"id": i}})) for i, table in enumerate("ttv")])
    assert "sinks.kafka: kafka" in job.command("check", "job.lua").ok().out
    job.run("--until", "latest").ok().counts(written=3)
    assert [row["id"] for row in mariadb.table("t", database, ["id"])] == [row["id"] for row in mariadb.table("u", database, ["id"])] == ["0", "1"]
    assert messages(kafka, named) == [(None, {"op": "upsert", "table": named, "row": {"id": i, "name": "n"}}) for i in (0, 1)]
    assert messages(kafka, other) == [(b'{"id":2}', {"op": "upsert", "table": other, "row": {"id": 2}})]
    assert messages(kafka, shared) == [(f'{{"id":{i}}}'.encode(), {"op": "upsert", "table": "paid", "row": {"id": i}}) for i in (0, 1)]
    assert sorted(lines(job, "log.jsonl"), key=lambda line: line["row"]["id"]) == [
        {"op": "upsert", "table": "seen", "row": {"id": i}, "from": {
            "job": job.name, "script": "t", "topic": source, "partition": 0, "offset": i, "part": 0, "change": 0}} for i in (0, 1)]


COUNTING = """return { target = "t", key_by = { "id" }, process = function(row, state, ctx)
  state.n = (state.n or 0) + 1
  if state.n %% 5 == 0 then
    ctx:emit("alerts:%s", { id = row.id, n = state.n, seq = row.seq })
  end
  return { id = row.id, n = state.n, seq = row.seq }
end }"""


def test_killed_at_any_moment_every_alert_is_there_and_none_is_another(job, kafka, mariadb, database, topic):
    """By its origin each is there once, and all of them are what the events make, one after the other."""
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT, seq INT)", database=database)
    source, alerts, dice = topic("in", partitions=2), topic("alerts", partitions=3), random.Random(5)
    job.write(t=COUNTING % alerts)
    job.job(kafka_source(kafka, source, "json", config={"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}), tidb_sink(mariadb, database),
            sinks=sinks(alerts=kafka_sink(key='id')), tables={source: "scripts/t.lua"}, max_rows_per_second=4000)
    seen, expected, rows, seq = {}, set(), {}, 0

    def produce(count):
        nonlocal seq
        records = []
        for _ in range(count):
            seq, id_ = seq + 1, dice.randrange(60)
            seen[id_] = n = seen.get(id_, 0) + 1
            rows[id_] = (n, seq)
            if n % 5 == 0:
                expected.add((id_, n, seq))
            records.append((source, id_ % 2, f'{{"id":{id_}}}', f'{{"id":{id_},"seq":{seq}}}'))
        kafka.produce(records)

    def sent():
        return sum(high for _, high in kafka.offsets(alerts).values())

    for kill in (job.kill, job.kill_worker, lambda: (kafka.kill(), kafka.start()), lambda: (mariadb.kill(), mariadb.start()), job.kill):
        if job.process is None or job.process.poll() is not None:
            job.start("--workers", 2, ready=False)
        before = sent()
        produce(4000)
        job.wait_for(lambda: sent() > before + 100, "some alerts")
        kill()
    job.run("--until", "latest").ok()
    found = kafka.consume(alerts)
    by_origin = {}
    for record in found:
        row = json.loads(record.value)["row"]
        assert by_origin.setdefault(origin(record), row) == row and record.key == f'{{"id":{row["id"]}}}'.encode()
    assert sorted(tuple(row[name] for name in ("id", "n", "seq")) for row in by_origin.values()) == sorted(expected)
    assert {int(row["id"]): (int(row["n"]), int(row["seq"])) for row in mariadb.table("t", database, ["id", "n", "seq"])} == rows
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


def test_a_side_that_does_not_take_more_holds_its_transactions_back(job, mariadb, database):
    """A pipe that nobody reads: no row is in the table whose line is not in the pipe."""
    count = 6000
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    job.file("in.jsonl", numbered(count)).write(t='return { map = function(row, ctx) ctx:emit("log:x", row) return row end }')
    os.mkfifo(job.folder / "log")
    pipe = os.open(job.folder / "log", os.O_RDWR)
    job.job(file_source("in.jsonl", "json", topic="t"), tidb_sink(mariadb, database), sinks=sinks(log=jsonl_sink("log")))
    got = b""
    try:
        job.start(ready=False)
        while got.count(b"\n") < count:
            job.wait_for(lambda: not select.select([], [pipe], [], 0)[1] or job.process.poll() is not None, "a full pipe")
            written = mariadb.value("SELECT COUNT(*) FROM t", database=database)
            got += os.read(pipe, 1 << 20)
            assert written <= got.count(b"\n")
        assert job.wait().code == 0
    finally:
        os.close(pipe)
    assert [json.loads(line)["row"]["id"] for line in got.splitlines()] == list(range(count))
    assert mariadb.value("SELECT COUNT(*) FROM t", database=database) == count


def test_what_a_side_refuses_is_a_dead_letter_of_its_own(job, kafka, mariadb, database, topic):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    out = topic("out")
    job.file("in.jsonl", numbered(500)).write(t=f"""return {{ map = function(row, ctx)
        ctx:emit("out:{out}", {{ id = row.id, text = row.id == 77 and ("x"):rep(20000) or "" }}) return row end }}""")
    job.job(file_source("in.jsonl", "json", topic="t"), tidb_sink(mariadb, database),
            sinks=sinks(out=kafka_sink(brokers=kafka.address, config={"message.max.bytes": 10000})))
    job.run().ok().counts(written=499, dead_letters=1)
    [letter] = mariadb.execute("SELECT `offset`, stage, error FROM streamlua_dead_letters", database=database)
    assert (int(letter["offset"]), letter["stage"]) == (77, "sink") and "sink out: topic" in letter["error"] and "too large" in letter["error"]
    assert {json.loads(r.value)["row"]["id"] for r in kafka.consume(out)} == set(range(500)) - {77}
    assert mariadb.value("SELECT COUNT(*) FROM t", database=database) == 499


def test_a_sink_that_is_not_declared_is_found_before_it_runs(local):
    job = local(numbered(1), 'local TO = "lgo:x"\nreturn { map = function(row, ctx)\n  ctx:emit(TO, row)\n  return row\nend }')
    for checked in (job.command("check", "job.lua"), job.run()):
        assert checked.code == 2 and "scripts/t.lua:3: 'lgo:x': the job declares no sink 'lgo'" in checked.err and "it has log" in checked.err
    assert not (job.folder / "log.jsonl").exists() or not lines(job, "log.jsonl")
    job.write(t='return { target = "lgo:x" }')
    checked = job.command("check", "job.lua")
    assert checked.code == 2 and "scripts/t.lua:1: target: 'lgo:x': the job declares no sink 'lgo'" in checked.err
    job.write(t="local to = require 'to'\nreturn { map = to }").file("to.lua", "return function(row, ctx)\n\n  ctx:emit('away:x', row) end")
    assert "to.lua:3: 'away:x': the job declares no sink 'away'" in job.command("check", "job.lua").err


def test_one_that_is_put_together_meanwhile_is_a_dead_letter(local):
    job = local(numbered(3), 'return { map = function(row, ctx)\n  if row.id == 1 then ctx:emit("lgo" .. ":x", row) end\n  return row\nend }')
    job.run().ok().counts(written=2, dead_letters=1)
    with sqlite3.connect(job.folder / "out.db") as target:
        [(error,)] = target.execute("SELECT error FROM streamlua_dead_letters").fetchall()
    assert "declares no sink 'lgo'" in error and "scripts/t.lua:2" in error


def test_without_sinks_a_colon_names_none(job):
    job.file("in.jsonl", numbered(1)).write(t='return { map = function(row, ctx) ctx:emit("log:x", row) end }')
    checked = job.job(file_source("in.jsonl", "json", topic="t"), jsonl_sink("out.jsonl")).command("check", "job.lua")
    assert checked.code == 2 and "scripts/t.lua:1: 'log:x': the job declares no sink 'log'" in checked.err


def test_what_it_would_do_is_shown(local):
    job = local(numbered(2), 'return { map = function(row, ctx) ctx:emit("log:x", { a = row.id }) return row end }')
    shown = job.run("--dry-run").ok().out
    assert f'-- log: {{"op":"upsert","table":"x","row":{{"a":1}},"from":{{"job":"{job.name}","script":"t",' in shown and "INSERT INTO `t`" in shown
    explained = job.command("explain", "job.lua", "t:0:1").ok().out
    assert "upsert in log:x: a = 1" in explained and '-- log: {"op":"upsert","table":"x","row":{"a":1}' in explained


def test_a_replay_goes_aside_too(local):
    job = local(numbered(3), 'return { map = function(row, ctx) if row.id == 1 then error "not yet" end ctx:emit("log:x", row) return row end }')
    job.run().ok().counts(written=2, dead_letters=1)
    assert [line["row"]["id"] for line in lines(job, "log.jsonl")] == [0, 2]
    job.write(t='return { map = function(row, ctx) ctx:emit("log:x", row) return row end }')
    job.command("dead-letters", "job.lua", "replay").ok()
    assert [(line["row"]["id"], line["from"]["offset"]) for line in lines(job, "log.jsonl")] == [(0, 0), (2, 2), (1, 1)]
