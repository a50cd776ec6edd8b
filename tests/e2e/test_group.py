"""Several processes in one group: they join, leave, die and freeze while events come, and what is not concerned goes on."""

import os
import signal
import threading
import time

import confluent_kafka
import pytest

from support import wait_for
from support.debezium import Table
from support.job import Job, kafka_source, tidb_sink

PARTITIONS = 6
SESSION_MS = 2000
SOON = 5  # seconds; where the machine had other things to do it is tried again

SCHEMA = """
CREATE TABLE orders (id INT PRIMARY KEY, sent BIGINT);
CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id INT, part INT, off BIGINT, late BIGINT, sent BIGINT);
CREATE TRIGGER late BEFORE INSERT ON log FOR EACH ROW SET NEW.late = UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 - NEW.sent"""

SCRIPT = """
local M = {}
function M.map(row, ctx)
  ctx:emit("log", { id = row.id, part = ctx.partition, off = ctx.offset, sent = row.sent })
  return { id = row.id, sent = row.sent }
end
return M"""


class Load(threading.Thread):
    """A few events a moment for each partition, until stop()."""

    def __init__(self, kafka, topic):
        super().__init__(daemon=True)
        self.table, self.topic = Table("orders", topic=topic), topic
        self.producer = kafka.producer()
        self.count = 0
        self._over = threading.Event()

    def run(self):
        while not self._over.is_set():
            for partition in range(PARTITIONS):
                record = self.table.insert({"id": self.count, "sent": int(time.time() * 1e6)}, partition=partition)
                self.producer.produce(record.topic, key=record.key, value=record.value, partition=partition)
                self.count += 1
            self.producer.flush(30)
            self._over.wait(0.02)

    def stop(self):
        self._over.set()
        self.join(60)


class Group:
    def __init__(self, mariadb, database, load):
        self.mariadb, self.database, self.load = mariadb, database, load

    def epochs(self):
        rows = self.mariadb.execute("SELECT `partition` AS p, MAX(epoch) AS epoch FROM streamlua_progress GROUP BY 1", database=self.database)
        return {row["p"]: row["epoch"] for row in rows}

    def goes_on(self, partitions=range(PARTITIONS), timeout=180):
        """Waits until each of them has written an event that was sent from now on; returns after how many seconds."""
        begin = time.time()
        where = f"sent > {int(begin * 1e6)} AND part IN ({', '.join(map(str, partitions))})"
        wait_for(lambda: self.mariadb.value(f"SELECT COUNT(DISTINCT part) FROM log WHERE {where}", database=self.database) == len(list(partitions)),
                 f"events of partitions {list(partitions)}", timeout)
        return time.time() - begin

    def ends_whole(self, *jobs):
        """Every event is there, once."""
        self.load.stop()
        wait_for(lambda: self.mariadb.value("SELECT COUNT(*) FROM log", database=self.database) >= self.load.count, "all events")
        rows = self.mariadb.execute("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, COUNT(DISTINCT part, off) AS places FROM log", database=self.database)[0]
        assert rows == {"n": self.load.count, "ids": self.load.count, "places": self.load.count}
        assert self.mariadb.value("SELECT COUNT(*) FROM orders", database=self.database) == self.load.count
        for job in jobs:
            assert job.stop().code == 0

    def latest(self, begin, partitions):
        """The longest that an event sent since `begin` had to wait, in seconds."""
        where = f"sent > {int(begin * 1e6)} AND part IN ({', '.join(map(str, partitions))})"
        return float(self.mariadb.value(f"SELECT MAX(late) FROM log WHERE {where}", database=self.database)) / 1e6


@pytest.fixture
def group(kafka, mariadb, topic, database, tmp_path, unique):
    mariadb.execute(SCHEMA, database=database)
    load = Load(kafka, topic("orders", partitions=PARTITIONS))
    made = Group(mariadb, database, load)
    made.jobs = [Job(tmp_path / name, unique) for name in "abc"]
    for each in made.jobs:
        each.write(orders=SCRIPT)
        each.job(kafka_source(kafka, load.topic, config={"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 300}), tidb_sink(mariadb, database, lanes=4))
    yield made
    load.stop()
    for each in made.jobs:
        each.close()


def share(job):
    return sorted(p["partition"] for p in job.http_json("/status")["partitions"])


def worker_share(job, number):
    return sorted(p["partition"] for p in job.http_json("/status")["partitions"] if p["worker"] == number)


def test_members_join_leave_die_and_freeze_under_load(group):
    a, b, c = group.jobs
    a.start("--workers", 2)
    b.start()
    group.load.start()
    wait_for(lambda: (len(share(a)), len(share(b))) == (4, 2), "a fair share")
    group.goes_on()
    measured = {}

    # One joins and leaves again: partitions that stay where they are go on.
    for _ in range(3):  # how long it takes is looked at again where the machine had other things to do
        for what, change in (("join", lambda: c.start()), ("leave", lambda: c.stop())):
            wait_for(lambda: c.process and c.process.poll() is None or (len(share(a)), len(share(b))) == (4, 2), "a fair share")
            before, begin = group.epochs(), time.time()
            change()
            wait_for(lambda: len(share(a)) + len(share(b)) == (PARTITIONS if what == "leave" else 5) or len(share(a) + share(b)) < PARTITIONS and what == "join", what)
            group.goes_on()
            after = group.epochs()
            stayed = [p for p in after if after[p] == before[p]]
            moved = [p for p in after if after[p] != before[p]]
            assert stayed and moved, (before, after)
            measured[f"{what}: longest wait where it stays, where it moves"] = (group.latest(begin, stayed), group.latest(begin, moved))
        if all(where_it_stays < 3 for where_it_stays, _ in measured.values()):
            break
    assert all(where_it_stays < 3 for where_it_stays, _ in measured.values()), measured

    # A worker is killed: another takes its place, with the same partitions, at once.
    wait_for(lambda: (len(share(a)), len(share(b))) == (4, 2), "a fair share again")
    wait_for(lambda: len(worker_share(a, 0)) == 2, "the share of a worker")
    mine, took = worker_share(a, 0), []
    while len(took) < 3 and min(took, default=SOON) >= SOON:
        os.kill(next(worker["pid"] for worker in a.http_json("/status")["workers"] if worker["worker"] == 0), signal.SIGKILL)
        took.append(group.goes_on(mine))
    measured["after kill -9 of a worker"] = min(took)
    assert min(took) < SOON, took

    # A worker is frozen for longer than the session: others take its partitions, and it writes nothing when it wakes up.
    wait_for(lambda: len(worker_share(a, 1)) == 2, "the share of the other worker")
    mine, frozen = worker_share(a, 1), next(worker["pid"] for worker in a.http_json("/status")["workers"] if worker["worker"] == 1)
    os.kill(frozen, signal.SIGSTOP)
    measured[f"after a worker is frozen (session {SESSION_MS / 1000} s)"] = group.goes_on(mine)
    os.kill(frozen, signal.SIGCONT)
    group.goes_on()

    # A whole process is gone.
    wait_for(lambda: len(share(b)) > 0, "a share")
    b.kill()
    measured[f"after kill -9 of a process (session {SESSION_MS / 1000} s)"] = group.goes_on()
    b.start()
    group.goes_on()

    group.ends_whole(a, b)
    print("\n".join(f"{what}: {seconds}" for what, seconds in measured.items()))


def test_a_rolling_upgrade_loses_and_doubles_nothing(group):
    """As README's "Running it" says: stop, install, start, one machine after the other."""
    a, b, _ = group.jobs
    for each in (a, b):
        each.start("--workers", 2)
    group.load.start()
    group.goes_on()
    for each in (a, b):
        assert each.stop().code == 0
        each.write(orders=SCRIPT + " -- the next version").start("--workers", 2)
        group.goes_on()
    assert a.http_json("/status")["version"] == b.http_json("/status")["version"]
    group.ends_whole(a, b)


def test_whose_place_in_the_group_was_taken_begins_anew(kafka, mariadb, topic, database, job):
    """librdkafka calls it fatal, and does nothing more."""
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY)", database=database)
    orders = Table("orders", topic=topic(partitions=1))
    job.write(orders="return {}")
    job.job(kafka_source(kafka, orders.topic, config={"group.instance.id": "one", "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 300}),
            tidb_sink(mariadb, database))
    job.start()
    kafka.produce([orders.insert({"id": 1})])
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 1, "the first row")
    other = confluent_kafka.Consumer({"bootstrap.servers": kafka.internal, "group.id": f"streamlua-{job.name}", "group.instance.id": "one",
                                      "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False})
    other.subscribe([orders.topic])
    job.wait_for(lambda: other.poll(0.1) and False or "worker 0 ended" in job.log(), "the end of the worker", timeout=30)
    other.close()
    kafka.produce([orders.insert({"id": 2})])
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 2, "the second row")
    job.stop().ok()
