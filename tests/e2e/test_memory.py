"""What a worker takes stays bounded by `memory`, whatever waits where. Measured as the system sees it: the most that was ever resident."""

import re
import time
from pathlib import Path

import pytest

from support import wait_for
from support.debezium import Table
from support.job import kafka_source, tidb_sink

MEMORY_MB = 64
OWN_MB = 40  # the program itself, its libraries, the VM


def most_mb(job):
    [worker] = job.workers()
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1]) / 1024


def stays(look, seconds=2):
    before = look()
    time.sleep(seconds)
    return look() == before


@pytest.fixture
def running(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", database=database)
    job.table = Table("t", topic=topic(partitions=2))
    job.write(t="return {}").job(kafka_source(kafka, job.table.topic), tidb_sink(mariadb, database, port=proxy.port), memory=f"{MEMORY_MB}MB")
    yield job.start()


def test_a_large_backlog_a_target_that_is_away_and_one_slow_lane(running, kafka, mariadb, database, proxy):
    proxy.refuse()
    proxy.drop()
    table = running.table
    kafka.produce([table.insert({"id": i, "v": "z" * 200}, partition=i % 2) for i in range(100_000)])
    kafka.produce([table.insert({"id": i, "v": "z" * 20_000}, partition=i % 2) for i in range(100_000, 104_000)])
    running.wait_for(lambda: "does not take transactions" in running.log(), "the target to be missed")
    # It is away for as long as it likes: once there is as much here as may be, nothing more is read, and trying again keeps nothing.
    wait_for(lambda: stays(lambda: (most_mb(running), running.http_json("/status")["totals"]["read"])), "a worker that reads no more", 60)
    read, full = running.http_json("/status")["totals"]["read"], most_mb(running)
    assert read < 104_000 and full < MEMORY_MB + OWN_MB, (read, full)
    kafka.produce([table.insert({"id": i, "v": "z" * 20_000}, partition=i % 2) for i in range(104_000, 106_000)])
    tries = running.http_json("/status")["totals"]["retries"]
    running.wait_for(lambda: running.http_json("/status")["totals"]["retries"] > tries, "another try")  # an hour is more of the same
    assert most_mb(running) < full + 2, (most_mb(running), full)
    assert running.http_json("/status")["totals"]["read"] == read
    with mariadb.connect(database, autocommit=False) as other, other.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (3, 'held')")  # its lane waits for this lock
        proxy.accept()
        running.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) > 5_000, "the other lanes")
        other.rollback()
    running.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) == 106_000, "all rows", 120)
    print(f"most resident: {most_mb(running):.0f} MB with memory = {MEMORY_MB}MB")
    assert most_mb(running) < MEMORY_MB + OWN_MB
    assert running.stop().code == 0


def test_messages_of_20_megabytes(running, kafka, mariadb, database, proxy):
    proxy.latency(0.2)
    table = running.table
    text = "z" * (20 << 20)
    for i in range(4):
        kafka.produce([table.insert({"id": i, "v": text}, partition=i % 2)])
        table.changes.clear()
    running.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) == 4, "all rows", 120)
    assert mariadb.value("SELECT SUM(LENGTH(v)) FROM t", database=database) == 4 * len(text)
    # A few copies of one at a time: as it was fetched, as an event, as SQL, in the client library.
    print(f"most resident: {most_mb(running):.0f} MB with memory = {MEMORY_MB}MB")
    assert most_mb(running) < MEMORY_MB + 6 * 20
    assert running.stop().code == 0
