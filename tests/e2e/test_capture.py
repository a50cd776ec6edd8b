"""What went wrong in production, run again elsewhere: `capture` writes a job's messages as lines, and a file source reads them."""

import json
import signal
import subprocess
from dataclasses import replace

import pytest

from support.debezium import Table
from support.files import flat, into_sqlite, kcat_lines, rows
from support.job import file_source, kafka_source, sqlite_sink, streamlua, tidb_sink
from support.servers import Record

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"


def lines(result):
    return [json.loads(line) for line in result.out.splitlines()]


def without_ts(line):
    return {name: value for name, value in line.items() if name not in ("ts", "tstype", "broker")}


@pytest.fixture
def watched(kafka, topic, job):
    """A job with messages of every kind in two partitions: job.topic, job.records."""
    job.topic = topic(partitions=2)
    table = Table("t", topic=job.topic)
    job.records = kafka.produce(flat([
        table.insert({"id": 1, "v": "a \\ \"b\" é 🦄\n\u0001"}, partition=0), table.insert({"id": 2, "v": "x"}, partition=1),
        table.delete_with_tombstone({"id": 1, "v": "a"}, partition=0), table.insert({"id": 3, "v": ""}, partition=0),
        [Record(job.topic, None, b"\xff\x00\"no text", 1, [("a", b"1"), ("a", None), ("b", b"\xfe"), ("empty", b"")]), Record(job.topic, b"\x80", b"", 1)]]))
    return into_sqlite(job, kafka_source(kafka, job.topic), SCHEMA, t="return {}")


def test_every_message_is_there_as_it_was(watched, kafka):
    result = watched.command("capture", "job.lua").ok()
    found = sorted(lines(result), key=lambda line: (line["partition"], line["offset"]))
    expected = [json.loads(line) for line in kcat_lines(replace(r, headers=[]) for r in sorted(watched.records, key=lambda r: (r.partition, r.offset)))
                .splitlines()]
    expected[-2]["headers"] = ["a", "1", "a", None, "b", {"base64": "/g=="}, "empty", ""]
    assert [without_ts(line) for line in found] == [without_ts(line) for line in expected]
    assert all(line["tstype"] == "create" and line["ts"] > 1700000000000 for line in found)
    assert "captured 7 messages" in result.err


def test_a_file_source_makes_the_same_of_it(watched, jobs):
    captured = watched.command("capture", "job.lua").ok()
    watched.run("--until", "latest").ok()
    again = jobs("again").file("captured.jsonl", captured.out)
    into_sqlite(again, file_source("captured.jsonl", envelope="kcat"), SCHEMA, t="return {}").run().ok()
    letters = "SELECT `key`, value, headers, error FROM streamlua_dead_letters ORDER BY value"
    assert rows(again) == rows(watched) and len(rows(watched)) == 2
    assert rows(again, letters) == rows(watched, letters) != []
    assert sorted(again.command("capture", "job.lua").ok().out.splitlines()) == sorted(captured.out.splitlines())


def test_from_until_and_max_events(watched, kafka, topic):
    assert len(lines(watched.command("capture", "job.lua", "--max-events", 3).ok())) == 3
    assert lines(watched.command("capture", "job.lua", "--from", "latest").ok()) == []
    hours = topic("hours")
    kafka.produce([Record(hours, b"k", str(hour).encode(), timestamp=1700000000000 + hour * 3600000) for hour in range(5)])
    watched.job(kafka_source(kafka, hours, start="latest"), sqlite_sink("out.db"))
    found = lines(watched.command("capture", "job.lua", "--from", "2023-11-14T23:13:20Z", "--until", "2023-11-15T01:13:20Z").ok())
    assert [line["payload"] for line in found] == ["1", "2"]
    assert len(lines(watched.command("capture", "job.lua", "--from", "earliest").ok())) == 5
    assert lines(watched.command("capture", "job.lua").ok()) == []  # the job begins with what comes


def test_the_running_job_is_not_touched(watched, kafka, mariadb, database):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))", database=database)
    watched.job(kafka_source(kafka, watched.topic), tidb_sink(mariadb, database)).start()
    group = f"streamlua-{watched.name}"
    watched.wait_for(lambda: sum(o or 0 for o in kafka.committed(group, watched.topic).values()) == 7, "the group's offsets")
    before = mariadb.execute("SELECT * FROM streamlua_progress ORDER BY lane, topic, `partition`", database=database)
    log = watched.log()
    for _ in range(2):
        assert len(lines(watched.command("capture", "job.lua").ok())) == 7
    assert mariadb.execute("SELECT * FROM streamlua_progress ORDER BY lane, topic, `partition`", database=database) == before
    assert sum(kafka.committed(group, watched.topic).values()) == 7
    assert watched.log() == log  # no rebalance
    assert watched.stop().code == 0


def test_a_job_that_never_ran_has_no_offsets_afterwards(watched, kafka):
    assert len(lines(watched.command("capture", "job.lua", "--from", "-1h").ok())) == 7
    assert set(kafka.committed(f"streamlua-{watched.name}", watched.topic).values()) == {None}
    assert not (watched.folder / "streamlua_progress").exists()


def test_a_signal_ends_it(watched):
    process = subprocess.Popen([streamlua(), "capture", "job.lua", "--until", "2099-01-01T00:00:00Z"], cwd=watched.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        assert len([process.stdout.readline() for _ in range(7)]) == 7
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()


@pytest.mark.parametrize("topics, said", [("no-such-topic", "none of the job's topics is there"), (["no.*such"], "none of the job's topics is there")])
def test_topics_that_are_not_there(job, kafka, topics, said):
    into_sqlite(job, kafka_source(kafka, topics), SCHEMA, t="return {}")
    ended = job.command("capture", "job.lua")
    assert ended.code == 2 and said in ended.err and ended.out == ""
