"""Nothing lost and nothing twice, whatever dies and whatever is different at the next start. Triggers count each write inside its
own transaction, so that an upsert that is done a second time shows too."""

import random

from support import oracle, wait_for
from support.audit import Audit
from support.debezium import Table
from support.job import Job, kafka_source, tidb_sink

SCHEMA = """
CREATE TABLE orders (id INT PRIMARY KEY, customer INT, note VARCHAR(40));
CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id INT, `partition` INT, `offset` BIGINT)"""

SCRIPT = """
local M = { key_by = %s }
function M.filter(row, ctx) return %s end
function M.map(row, ctx)
  ctx:emit("log", { id = row.id, partition = ctx.partition, offset = ctx.offset })
  return { id = row.id, customer = row.customer, note = row.note }
end
return M"""

# How soon the group misses a worker that is killed.
CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}


def script(key_by='"row"', filter="true"):
    return SCRIPT % (key_by, filter)


class Stream:
    """Insert events with ids of their own, and what must come of them: each row put once, one line of the log for each event."""

    def __init__(self, kafka, mariadb, database, topic, partitions):
        self.kafka, self.mariadb, self.database = kafka, mariadb, database
        mariadb.execute(SCHEMA, database=database)
        self.audit = Audit(mariadb, database, "orders")
        self.orders = Table("orders", topic=topic("orders", partitions=partitions))
        self.partitions, self.count = partitions, 0

    def produce(self, count):
        self.kafka.produce([self.orders.insert({"id": i, "customer": i * 7 % 50, "note": f"order {i} 🦆"}, partition=i % self.partitions)
                            for i in range(self.count, self.count + count)])
        self.count += count

    def logged(self):
        return self.mariadb.value("SELECT COUNT(*) FROM log", database=self.database)

    def expect_once(self, dropped=()):
        expected = oracle.Oracle(orders=oracle.Table(["id"], filter=lambda row, op: row["id"] not in dropped))
        expected.apply(self.orders.changes)
        expected.expect_in_mariadb(self.mariadb, self.database)
        written = [i for i in range(self.count) if i not in dropped]
        self.audit.expect_each_once(written)
        log = self.mariadb.execute("SELECT id, `partition`, `offset` FROM log ORDER BY id", database=self.database)
        assert log == [{"id": i, "partition": i % self.partitions, "offset": i // self.partitions} for i in written]
        assert self.mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=self.database) == 0


def test_other_lanes_workers_keys_and_filters_after_a_crash_lose_and_repeat_nothing(kafka, mariadb, topic, database, proxy, job):
    stream = Stream(kafka, mariadb, database, topic, partitions=5)
    dice = random.Random(3)
    proxy.latency(0.02)  # so that the backlog lasts, and a kill meets transactions on their way

    def dropped():
        """Events that the filter has taken out for good: progress is beyond them, and they are not there."""
        log = {row["id"] for row in mariadb.execute("SELECT id FROM log", database=database)}
        done = mariadb.execute("SELECT `partition`, MAX(next_offset) AS next FROM streamlua_progress GROUP BY `partition`", database=database)
        ends = {row["partition"]: row["next"] for row in done}
        return {i for i in range(stream.count) if i % 7 == 3 and i not in log and i // 5 < ends.get(i % 5, 0)}

    setups = [(8, 1, '"row"', None), (3, 2, '{ "customer" }', None), (1, 1, '"table"', "row.id % 7 ~= 3"),
              (5, 2, "function(row) return row.id % 13 end", None), (8, 2, '"row"', None)]
    for lanes, workers, key_by, filter in setups:
        stream.produce(4000)
        job.write(orders=script(key_by, filter or "true"))
        job.job(kafka_source(kafka, stream.orders.topic, config=CONFIG), tidb_sink(mariadb, database, port=proxy.port, lanes=lanes))
        job.start("--workers", workers, ready=False)
        enough = stream.logged() + dice.randrange(100, 3000)
        job.wait_for(lambda: stream.logged() >= enough and (not filter or dropped()), f"{enough} events")
        job.kill()
    proxy.latency(0)
    job.run("--until", "latest").ok()
    stream.expect_once(dropped())


def test_two_masters_share_the_work_and_one_goes_on_alone(kafka, mariadb, topic, database, job, tmp_path):
    stream = Stream(kafka, mariadb, database, topic, partitions=6)
    other = Job(tmp_path / "other", job.name)
    try:
        for each in (job, other):
            each.write(orders=script()).job(kafka_source(kafka, stream.orders.topic, config=CONFIG), tidb_sink(mariadb, database))
        job.start("--workers", 2)
        other.start()
        wait_for(lambda: len(other.http_json("/status")["partitions"]) == 2 and len(job.http_json("/status")["partitions"]) == 4, "a fair share of partitions")
        stream.produce(2000)
        wait_for(lambda: stream.logged() > 0, "the first rows")
        job.kill()
        stream.produce(3000)
        other.wait_for(lambda: stream.logged() == stream.count, "all events")
        other.wait_for(lambda: len(other.http_json("/status")["partitions"]) == 6, "all partitions")
        # And back: what was given away is given back while events come.
        job.start()
        stream.produce(2000)
        wait_for(lambda: stream.logged() == stream.count, "the rest")
        assert other.stop().code == 0
        stream.produce(500)
        job.wait_for(lambda: stream.logged() == stream.count, "what came after the other had left")
        assert job.stop().code == 0
    finally:
        other.close()
    stream.expect_once()


def test_connections_that_break_around_every_commit(kafka, mariadb, topic, database, proxy, job):
    stream = Stream(kafka, mariadb, database, topic, partitions=4)
    job.write(orders=script()).job(kafka_source(kafka, stream.orders.topic), tidb_sink(mariadb, database, port=proxy.port, lanes=4))
    job.start("--workers", 2)
    commit, insert = "COMMIT", "INSERT INTO `orders`"
    for breaks in (lambda: proxy.cut_before(commit, times=2), lambda: proxy.cut_request(commit), lambda: proxy.cut_during(commit, times=2),
                   lambda: proxy.cut_after(commit, times=2), lambda: proxy.cut_answer(commit), lambda: proxy.cut_during(insert), lambda: proxy.cut_answer(insert),
                   lambda: proxy.error(1213, "40001", "Deadlock found when trying to get lock", insert, times=2, rollback=True)):
        rule = breaks()
        stream.produce(600)
        rule.wait()
        job.wait_for(lambda: stream.logged() == stream.count, f"all events after {rule.action}")
    assert job.stop().code == 0
    stream.expect_once()


def test_a_broker_that_is_killed_and_comes_back(kafka, mariadb, topic, database, job):
    stream = Stream(kafka, mariadb, database, topic, partitions=4)
    job.write(orders=script()).job(kafka_source(kafka, stream.orders.topic), tidb_sink(mariadb, database))
    job.start("--workers", 2)
    stream.produce(3000)
    job.wait_for(lambda: stream.logged() > 0, "the first rows")
    kafka.kill()
    kafka.start()
    stream.produce(3000)
    job.wait_for(lambda: stream.logged() == stream.count, "all events")
    assert job.stop().code == 0
    stream.expect_once()


def test_a_database_that_is_killed_again_and_again(kafka, mariadb, topic, database, job):
    stream = Stream(kafka, mariadb, database, topic, partitions=4)
    job.write(orders=script()).job(kafka_source(kafka, stream.orders.topic), tidb_sink(mariadb, database))
    job.start("--workers", 2)
    for how in (mariadb.kill, mariadb.stop):
        before = stream.logged()
        stream.produce(3000)
        job.wait_for(lambda: stream.logged() > before, "rows")
        how()
        mariadb.start()
    job.wait_for(lambda: stream.logged() == stream.count, "all events")
    assert job.stop().code == 0
    stream.expect_once()
