"""streamlua state: what scripts keep, shown and deleted by people, also while a job runs and has it at hand."""

import json
import os
import pty

import pytest

from support.files import into_sqlite, rows
from support.job import file_source, jsonl_sink, kafka_source, streamlua, tidb_sink

COUNT = """
return { key_by = { "k" }, target = "t", process = function(row, state)
  state.n = (state.n or 0) + 1
  return { id = row.id, n = state.n }
end }
"""

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, n INT)"
KEYS = [7, "7", "a b", 1.5, "ä\"\\", "[1]"]


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def shown(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


def in_terminal(job, *words):
    """The lines that it writes where somebody looks."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(job.folder)
        os.execv(streamlua(), ["streamlua", *words])
    text = b""
    try:
        while chunk := os.read(fd, 65536):
            text += chunk
    except OSError:  # how a pty ends
        pass
    assert os.waitpid(pid, 0)[1] == 0, text
    return text.decode().splitlines()


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_it_shows_and_deletes_what_is_kept_by_key(job, mariadb, database, kind):
    source = file_source("in", format="json", topic="events")
    into_sqlite(job, source, SCHEMA, events=COUNT).file("in", lines([{"id": i, "k": KEYS[i % 6]} for i in range(60)]))
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        job.job(source, tidb_sink(mariadb, database))
    job.run().ok()

    def keys(*words):
        return sorted((row["key"][0] for row in shown(job.command("state", "job.lua", *words).ok())), key=repr)

    everything = shown(job.command("state", "job.lua", "events").ok())
    assert sorted((row["key"][0] for row in everything), key=repr) == sorted(KEYS, key=repr)
    for row in everything:
        assert {name: row[name] for name in ("map", "value", "version", "due", "timers", "wake", "topic", "partition")} == {
            "map": "", "value": {"n": 10}, "version": 1, "due": None, "timers": None, "wake": None, "topic": "in", "partition": 0}, row
    # A bare word is the number or the text, an array is exact.
    assert keys("events", "7") == ["7", 7] and keys("scripts/events.lua", "[7]") == [7] and keys("events", '[ "\\u0037" ]') == ["7"]
    assert keys("events", "1.50") == [1.5] and keys("events", "a b") == ["a b"] and keys("events", '["[1]"]') == ["[1]"]
    for words, said in ((("events", "8"), "events keeps nothing for the key 8"), (("event",), "no script event that keeps state"),
                        (("events", "[7"), "is no key")):
        refused = job.command("state", "job.lua", *words)
        assert refused.code in (1, 2) and said in refused.err and not refused.out, refused
    assert job.command("state", "job.lua", "events", "[7]", "--delete").ok().out == "deleted 1\n"
    assert keys("events") == sorted(KEYS[1:], key=repr)
    assert job.command("state", "job.lua", "--delete", "events").ok().out == "deleted 5\n"
    assert job.command("state", "job.lua", "events").code == 1
    # The next run begins with nothing, where the progress is.
    job.file("in", lines([{"id": i, "k": KEYS[i % 6]} for i in range(61)])).run().ok().counts(written=1)
    assert shown(job.command("state", "job.lua", "events").ok())[0]["value"] == {"n": 1}


def test_a_terminal_gets_a_table_and_many_rows_come_page_by_page(job):
    into_sqlite(job, file_source("in", format="json", topic="events"), SCHEMA, events=COUNT).file("in", lines([{"id": i, "k": i} for i in range(2500)]))
    job.run().ok()
    assert sorted(row["key"][0] for row in shown(job.command("state", "job.lua", "events").ok())) == list(range(2500))
    said = in_terminal(job, "state", "job.lua", "events")
    assert said[0].split() == ["map", "key", "value", "version", "due", "topic", "partition", "updated_at"]
    assert said[2].split()[:3] == ["[0]", '{"n":1}', "1"] and len([line for line in said if '{"n":1}' in line]) == 1000
    assert "these are the first 1000" in said[-1]


def test_a_terminal_gets_a_line_for_each_open_window(kafka, topic, job):
    name = topic("views")
    script = """local sl = require "streamlua"
    return { key_by = { "k" }, time = "at", window = sl.hopping("10m", "5m"), aggregate = { n = sl.count() }, target = "t",
             columns = { k = "k", w = "window_start", n = "n" } }"""
    into_sqlite(job, kafka_source(kafka, name, format="json"), "CREATE TABLE t (k INT, w TEXT, n INT, PRIMARY KEY (k, w))", **{name: script})
    kafka.produce([(name, 0, None, json.dumps({"k": i % 2, "at": f"2024-01-01 00:0{i}:00"}).encode()) for i in range(4)])
    job.start()
    job.wait_for(lambda: sum(row["n"] for row in rows(job, "SELECT n FROM t")) == 8, "all windows")
    assert job.stop().code == 0
    said = [line.split()[:5] for line in in_terminal(job, "state", "job.lua", name)]
    assert said[0] == ["key", "window_start", "window_end", "rows", "kept"]
    assert said[2:] == [[key, start, end, "2", '{"n":2}'] for key in ("[0]", "[1]")
                        for start, end in (("2023-12-31T23:55:00.000Z", "2024-01-01T00:05:00.000Z"), ("2024-01-01T00:00:00.000Z", "2024-01-01T00:10:00.000Z"))]


def test_what_is_deleted_while_a_job_runs_is_gone_for_its_next_event(kafka, mariadb, topic, database, proxy, job):
    mariadb.execute(SCHEMA, database=database)
    name = topic("events", partitions=2)
    sent = []

    def produce(*keys):
        some = [{"id": len(sent) + i, "k": key} for i, key in enumerate(keys)]
        sent.extend(some)
        kafka.produce([(name, e["k"] % 2, json.dumps({"k": e["k"]}).encode(), json.dumps(e).encode()) for e in some])

    def written():
        return mariadb.value("SELECT COUNT(*) FROM t", database=database)

    def numbers(key):
        ids = ",".join(str(event["id"]) for event in sent if event["k"] == key)
        return [row["n"] for row in mariadb.execute(f"SELECT n FROM t WHERE id IN ({ids}) ORDER BY id", database=database)]

    job.write(**{name: COUNT}).job(kafka_source(kafka, name, format="json"), tidb_sink(mariadb, database, port=proxy.port)).start()
    produce(1, 2, 1, 2, 3)
    job.wait_for(lambda: written() == 5, "five rows")
    # Nothing is on its way, and the worker has the row at hand.
    assert job.command("state", "job.lua", name, 1, "--delete").ok().out == "deleted 1\n"
    produce(1, 2, 1)
    job.wait_for(lambda: written() == 8, "eight rows")
    assert numbers(1) == [1, 2, 1, 2] and numbers(2) == [1, 2, 3]
    # With events on their way, again and again: each is counted once from the last time on.
    proxy.latency(0.02)
    for i in range(5):
        enough = written() + 50
        produce(*[4 + n % 2 for n in range(400)])
        if i:
            job.wait_for(lambda: written() > enough and job.command("state", "job.lua", name, 4, "--delete").code == 0, "something to delete")
    job.wait_for(lambda: written() == len(sent), "all rows")
    produce(4, 5)  # each partition has heard of it
    job.wait_for(lambda: written() == len(sent), "all rows")
    assert numbers(5) == list(range(1, 1002))
    counted = numbers(4)
    assert len(counted) == 1001 and counted[0] == 1
    restarts = [at for at in range(1, 1001) if counted[at] != counted[at - 1] + 1]
    assert 1 <= len(restarts) <= 4 and all(counted[at] == 1 for at in restarts)
    assert job.stop().code == 0
    assert shown(job.command("state", "job.lua", name, 4).ok())[0]["value"] == {"n": counted[-1]}


def test_where_no_state_is_kept_it_says_so(job):
    job.write(events=COUNT).file("in", "").job(file_source("in", format="json", topic="events"), jsonl_sink("out.jsonl"))
    refused = job.command("state", "job.lua", "events")
    assert refused.code == 2 and "a jsonl sink keeps no state" in refused.err


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_job_that_is_stopped_right_behind_a_delete_ends_well(kafka, mariadb, topic, database, proxy, job, kind):
    name = topic("events", partitions=2)
    source = kafka_source(kafka, name, format="json")
    into_sqlite(job, source, SCHEMA, **{name: COUNT})
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        proxy.latency(0.02)  # so that something is on its way
        job.job(source, tidb_sink(mariadb, database, port=proxy.port))
    for i in range(2):
        job.start()
        kafka.produce([(name, k % 2, json.dumps({"k": k}).encode(), json.dumps({"id": i * 1000 + k, "k": k}).encode()) for k in range(1000)])
        job.wait_for(lambda: job.command("state", "job.lua", name, "--delete").code == 0, "something to delete")
        assert job.stop().code == 0, job.log()
    proxy.latency(0)
    job.run("--until", "latest").ok()
    written = "SELECT COUNT(*) AS n FROM t"
    assert (mariadb.execute(written, database=database) if kind == "mariadb" else rows(job, written)) == [{"n": 2000}]
