"""A job as those see it who run it: health, metrics and status, ends, and what it does while its target is away."""

import json
import os
import re
import signal

import pytest

from support import prometheus, wait_for
from support.debezium import Table
from support.files import sqlite
from support.job import Lua, kafka_source, sqlite_sink, tidb_sink
from support.servers import Record

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))"


@pytest.fixture
def running(kafka, mariadb, topic, database, job, proxy):
    """A job from a topic through the proxy into MariaDB; the topic's name is job.topic."""
    mariadb.execute(SCHEMA, database=database)
    job.topic = topic(partitions=2)
    job.write(t="return { filter = function(row) return row.v ~= 'no' end }")
    job.job(kafka_source(kafka, job.topic), tidb_sink(mariadb, database, port=proxy.port, lanes=2, connect_timeout="1s", read_timeout="2s"))
    return job.start()


def inserts(job, numbers, v="x"):
    table = Table("t", topic=job.topic)
    return [table.insert({"id": i, "v": v}) for i in numbers]


def count(mariadb, database):
    return mariadb.value("SELECT count(*) FROM t", database=database)


# ---- what is told ----

def test_health_readiness_status_and_metrics_tell_the_same(running, kafka, mariadb, database):
    kafka.produce(inserts(running, range(10)) + inserts(running, range(10, 13), "no") + [Record(running.topic, b"k", b"no json"),
                  Table("u", topic=running.topic).insert({"id": 1}), Record(running.topic, b"k", b'{"ts_ms":1}')])
    expected = {"read": 16, "written": 10, "filtered": 3, "unmatched": 1, "dead": 1, "ignored": 1, "skipped": 0}
    running.wait_for(lambda: {n: running.http_json("/status")["totals"][n] for n in expected} == expected, "the counters")
    assert running.http("/healthz") == (200, "ok\n")
    assert running.http("/readyz") == (200, "ready\n")
    assert running.http("/nothing")[0] == 404
    assert running.http("/status.txt")[0] == 200 and "read 16 = written 10 + filtered 3" in running.http("/status.txt")[1]

    status = running.http_json("/status")
    assert (status["job"], status["sink"], status["pid"], status["ready"], status["problem"]) == (running.name, "tidb", running.pid, True, "")
    assert status["uptime_s"] >= 0 and re.match(r"\d{4}-\d\d-\d\dT", status["started"])
    assert [worker["pid"] for worker in status["workers"]] == running.workers()
    [script] = status["scripts"]
    assert (script["name"], script["read"], script["written"], script["filtered"]) == ("t", 13, 10, 3)
    offsets = {p["partition"]: p["next_offset"] for p in status["partitions"] if p["topic"] == running.topic}
    assert sum(offsets.values()) == 16

    families = prometheus.parse(running.http("/metrics")[1])
    for name, family in families.items():
        assert name.startswith("streamlua_") and family.help and family.type in ("counter", "gauge", "histogram")
        assert (family.type == "counter") == name.endswith("_total"), name
        assert all(value >= 0 for value in family.samples.values())
    for name, value in expected.items():
        assert families[f"streamlua_{'dead_letters' if name == 'dead' else name}_total"].samples == {(): value}
    assert families["streamlua_ready"].samples == {(): 1} and families["streamlua_workers"].samples == {(): 1}
    assert families["streamlua_script_written_total"].samples == {(("script", "t"),): 10}
    assert sum(families["streamlua_next_offset"].samples.values()) == 16
    assert running.stop().code == 0


def test_post_changes_nothing(running):
    before = running.http_json("/status")["reloads"]
    for path in ("/status", "/reload", "/stop", "/healthz"):
        assert running.http(path, "POST")[0] in (404, 405, 501)
    assert running.http_json("/status")["reloads"] == before
    assert running.stop().code == 0


def test_offsets_are_committed_to_the_group_for_lag_monitors(running, kafka):
    kafka.produce(inserts(running, range(20)))
    running.wait_for(lambda: sum(o or 0 for o in kafka.committed(f"streamlua-{running.name}", running.topic).values()) == 20, "the group's offsets")
    assert running.stop().code == 0


# ---- ends ----

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(running, kafka, mariadb, database, number, proxy):
    rule = proxy.hold("COMMIT")
    kafka.produce(inserts(running, range(100)))
    rule.wait()
    os.kill(running.pid, number)
    running.wait_for(lambda: "stopping" in running.log(), "the stop")
    wait_for(lambda: running.http("/readyz")[0] == 503, "readyz while it stops")
    assert running.process.poll() is None
    rule.release()
    ended = running.wait()
    assert ended.code == 0
    assert 0 < count(mariadb, database) <= 100
    running.start().wait_for(lambda: count(mariadb, database) == 100, "what was left")
    assert running.stop().code == 0


def test_a_second_signal_ends_it_now(running, kafka, mariadb, proxy):
    rule = proxy.hold("COMMIT")
    kafka.produce(inserts(running, range(10)))
    rule.wait()
    workers = running.workers()
    running.terminate()
    running.wait_for(lambda: "stopping" in running.log(), "the stop")
    running.terminate()
    ended = running.wait()
    assert ended.code == 1 and "stopping now" in ended.err
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/status") for pid in workers), "the workers' end")


# ---- what is away ----

def test_a_target_that_goes_away_is_waited_for(running, kafka, mariadb, database, proxy):
    kafka.produce(inserts(running, range(100)))
    running.wait_for(lambda: count(mariadb, database) == 100, "the first rows")
    # A lane whose COMMIT was not answered asks for its outcome, and that counts as no other try.
    running.wait_for(lambda: running.http_json("/status")["totals"]["written"] == 100, "their answers")
    running.wait_for(lambda: running.http_json("/status")["totals"]["in_flight"] == 0, "idle lanes")
    proxy.refuse()
    proxy.drop()
    kafka.produce(inserts(running, range(100, 5000), "y" * 90))
    running.wait_for(lambda: running.http("/readyz")[0] == 503, "readyz 503")
    assert re.match(r"worker 0: .*(connect|Lost connection)", running.http("/readyz")[1]), running.http("/readyz")
    assert running.http("/healthz")[0] == 200
    running.wait_for(lambda: running.http_json("/status")["totals"]["retries"] > 2, "retries")
    assert running.http_json("/status")["workers"][0]["restarts"] == 0
    proxy.accept()
    running.wait_for(lambda: count(mariadb, database) == 5000, "all rows")
    running.wait_for(running.ready, "readyz 200")
    assert mariadb.value("SELECT count(*) FROM streamlua_dead_letters", database=database) == 0
    assert running.stop().code == 0


def test_memory_is_bounded_while_the_target_stands_still(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v MEDIUMTEXT)", database=database)
    job.topic = topic()
    job.write(t="return {}").job(kafka_source(kafka, job.topic), tidb_sink(mariadb, database, port=proxy.port), memory="16MB").start()
    proxy.freeze()
    kafka.produce(inserts(job, range(800), "z" * 50_000))  # 40 MB
    job.wait_for(lambda: job.http_json("/status")["totals"]["memory_bytes"] > 3 << 20, "a full pipe")
    seen = [job.http_json("/status")["totals"]["memory_bytes"] for _ in range(20)]
    assert max(seen) < 20 << 20
    [worker] = job.workers()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", open(f"/proc/{worker}/status").read())[1]) * 1024
    assert resident < 120 << 20
    proxy.thaw()
    job.wait_for(lambda: count(mariadb, database) == 800, "all rows")
    assert job.stop().code == 0


def test_a_worker_that_dies_is_replaced_later_and_later(job, kafka, topic):
    sqlite(job.folder / "out.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);")
    job.topic = topic()
    job.write(t="return {}").job(kafka_source(kafka, job.topic), sqlite_sink("out.db")).start()
    for restarts in (1, 2, 3):
        job.wait_for(job.workers, "a worker")
        killed = job.kill_worker()
        job.wait_for(lambda: job.http_json("/status")["workers"][0]["restarts"] == restarts and job.workers() not in ([], [killed]), "another worker")
    waits = [int(ms) for ms in re.findall(r"another takes its place in (\d+) ms", job.log())]
    assert len(waits) == 3 and waits == sorted(waits) and waits[0] < waits[-1]
    kafka.produce(inserts(job, [1]))
    job.wait_for(lambda: sqlite(job.folder / "out.db", "SELECT id FROM t") == [{"id": 1}], "the row")
    assert job.stop().code == 0


def test_a_worker_that_dies_while_its_target_is_away_is_replaced_for_as_long_as_it_takes(running, kafka, mariadb, database, proxy):
    proxy.refuse()
    proxy.drop()
    kafka.produce(inserts(running, range(10)))
    running.kill_worker()
    # The new ones cannot even open the target.
    running.wait_for(lambda: running.http_json("/status")["workers"][0]["restarts"] > 6, "more restarts than anybody has patience for")
    assert running.http("/healthz")[0] == 200 and running.http("/readyz")[0] == 503
    proxy.accept()
    running.wait_for(lambda: count(mariadb, database) == 10, "all rows")
    running.wait_for(running.ready, "readyz 200")
    assert running.stop().code == 0


def test_workers_share_the_partitions(kafka, topic, job):
    job.topic = topic(partitions=4)
    job.write(t="return { key = { 'id' } }").job(kafka_source(kafka, job.topic), Lua("sl.sink.blackhole()")).start("--workers", 2)
    def spread():
        return sorted(p["worker"] for p in job.http_json("/status")["partitions"])
    job.wait_for(lambda: spread() == [0, 0, 1, 1], "two partitions each")
    assert len(job.workers()) == 2 and len(job.http_json("/status")["workers"]) == 2
    assert "at least once" in job.log()
    assert job.stop().code == 0


def test_a_master_that_is_killed_takes_its_workers_along(running):
    workers = running.workers()
    running.kill_master()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/status") for pid in workers), "the workers' end")


def test_every_line_of_a_running_jobs_json_log_parses(kafka, topic, job, mariadb, database):
    mariadb.execute(SCHEMA, database=database)
    job.topic = topic()
    job.write(t="return {}").job(kafka_source(kafka, job.topic), tidb_sink(mariadb, database)).start("--log", "json")
    kafka.produce([Record(job.topic, b"k", b'no "json"\x00\xff')])
    job.wait_for(lambda: "dead letter" in job.log(), "a dead letter")
    assert job.stop().code == 0
    lines = [json.loads(line) for line in job.log().splitlines()]
    [dead] = [line for line in lines if line["message"].startswith("dead letter")]
    assert (dead["topic"], dead["level"]) == (job.topic, "warn") and str(dead["offset"]) == "0" and dead["stage"] == "decode"
