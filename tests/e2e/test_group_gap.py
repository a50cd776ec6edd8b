"""A worker dies while the group gives partitions of it to another member, and comes back as the same member: the group is content
with the half that it had been left, and the other half would be nobody's."""

import os
import signal
import time

import pytest

from support import wait_for
from support.debezium import Table
from support.job import Job, kafka_source, tidb_sink

PARTITIONS = 4
BUSY_S = 8  # shorter than what the master takes for a worker that is stuck

# The worker's loop is busy, while librdkafka's threads go on to speak with the group: it takes part in the first half of a
# cooperative rebalance, and cannot answer the second.
SCRIPT = """
return { filter = function(row)
  while os.time() < row.busy_until do end
  return true
end, columns = { id = "id" } }"""


@pytest.fixture
def pair(kafka, mariadb, topic, database, tmp_path, unique):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY)", database=database)
    table = Table("orders", topic=topic("orders", partitions=PARTITIONS))
    kafka.committed(f"streamlua-{unique}", table.topic)  # a broker's first group takes it seconds
    jobs = [Job(tmp_path / name, unique) for name in "ab"]
    for job in jobs:
        job.write(orders=SCRIPT).job(kafka_source(kafka, table.topic), tidb_sink(mariadb, database, lanes=2), script_timeout="60s")
    yield (table, *jobs)
    for job in jobs:
        job.close()


def keep_busy(kafka, table):
    """Whoever reads these is busy for a while."""
    until = int(time.time()) + BUSY_S
    kafka.produce([table.insert({"id": p, "busy_until": until}, partition=p) for p in range(PARTITIONS)])


def die_half_way(kafka, a, b, *args):
    """b joins while a's worker is busy, which is killed once the group has left it only half of the partitions."""
    def members():
        group, = kafka.admin.list_groups(group=f"streamlua-{a.name}", timeout=10)
        return len(group.members) if group.state == "Stable" else 0
    wait_for(lambda: "4 partitions are assigned" in a.log() and members() == 1, "a alone", timeout=BUSY_S)
    b.start(*args, ready=False)
    wait_for(lambda: members() == 2, "the first half of the rebalance", timeout=BUSY_S)
    assert "revoked" not in a.log()
    os.kill(a.workers()[0], signal.SIGKILL)


def written(mariadb, database):
    return mariadb.value("SELECT COUNT(*) FROM orders", database=database)


def test_no_partition_is_left_with_nobody(kafka, mariadb, database, pair):
    table, a, b = pair
    a.start()
    keep_busy(kafka, table)
    die_half_way(kafka, a, b)
    kafka.produce([table.insert({"id": 100 + p, "busy_until": 0}, partition=p) for p in range(PARTITIONS)])
    a.wait_for(lambda: written(mariadb, database) == 2 * PARTITIONS, "all rows", timeout=BUSY_S + 30)
    assert "are nobody's" in a.log() + b.log()
    for job in (a, b):
        assert job.stop().code == 0


def test_a_run_that_ends_has_read_what_was_left_with_nobody(kafka, mariadb, database, pair):
    table, a, b = pair
    keep_busy(kafka, table)
    kafka.produce([table.insert({"id": 1000 + i, "busy_until": 0}, partition=i % PARTITIONS) for i in range(4000)])
    a.start("--until", "latest", ready=False)
    die_half_way(kafka, a, b, "--until", "latest")
    # Whichever ends first has seen that all is read.
    wait_for(lambda: a.process.poll() is not None or b.process.poll() is not None, "the end of one of them", timeout=90)
    assert (a.process.poll() or 0) == (b.process.poll() or 0) == 0
    assert written(mariadb, database) == 4000 + PARTITIONS
    assert a.wait(60).code == b.wait(60).code == 0
