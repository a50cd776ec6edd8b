"""How much is asked of the target at a time. `make curve` runs the first test and shows second by second what it measures."""

import time

from support.debezium import Table
from support.job import kafka_source, tidb_sink

NOTE = "n" * 150
FULL = 400_000  # bytes a second on each connection: less than any machine does, so that it is the proxy that makes the speed


class Watch:
    """What a job says of itself, a line a second."""

    def __init__(self, job):
        self.job, self.rows, self.at = job, None, None

    def second(self, phase):
        time.sleep(1)  # not for anything to happen: it is the unit of what is measured
        totals = self.job.http_json("/status")["totals"]
        now = time.monotonic()
        speed = (totals["rows"] - self.rows) / (now - self.at) if self.at else 0
        self.rows, self.at = totals["rows"], now
        print(f"{phase:8} {speed:9.0f} rows/s   commit {totals['latency_ms']:5} ms   window {totals['window']:6} rows", flush=True)
        return speed, totals["latency_ms"], totals["window"]

    def seconds(self, phase, count):
        return [self.second(phase) for _ in range(count)]


def median(values):
    return sorted(values)[len(values) // 2]


def test_a_target_slowed_down_tenfold_is_not_buried_and_has_its_speed_back_within_seconds(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(200))", database=database)
    orders = Table("orders", topic=topic(partitions=4))
    # Not one row twice in one transaction, where the last change alone would be written.
    kafka.produce([orders.insert({"id": i, "note": NOTE}) for i in range(20_000)] * 8)
    job.write(orders="return {}").job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database, port=proxy.port))
    proxy.throttle(FULL)
    job.start()
    watch = Watch(job)
    full = watch.seconds("full", 4)
    proxy.throttle(FULL / 10)
    slow = watch.seconds("slow", 8)
    proxy.throttle(FULL)
    again = watch.seconds("again", 4)
    speed = max(speed for speed, _, _ in full)
    assert median([latency for _, latency, _ in slow[-4:]]) < 1000  # two seconds and more without a window
    assert speed / 40 < median([speed for speed, _, _ in slow[-4:]]) < speed / 3
    assert max(speed for speed, _, _ in again) > speed / 2
    job.kill()


def test_max_rows_per_second_is_what_all_workers_together_write(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6))", database=database)
    orders = Table("orders", topic=topic(partitions=2))
    job.write(orders="return {}")
    job.job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database), max_rows_per_second=1000)
    job.start("--workers", 2)
    kafka.produce([orders.insert({"id": i}, partition=i % 3 // 2) for i in range(4500)])  # two thirds in one partition
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 4500, "all rows")
    first = mariadb.value("SELECT MIN(at) FROM orders", database=database)
    seconds = [row["n"] for row in mariadb.execute("SELECT COUNT(*) AS n FROM orders GROUP BY TIMESTAMPDIFF(MICROSECOND, %s, at) DIV 1000000 "
                                                   "ORDER BY TIMESTAMPDIFF(MICROSECOND, %s, at) DIV 1000000", first, first, database=database)]
    assert sum(seconds[:3]) <= 3 * 1000 * 1.05 and sum(seconds[:4]) >= 4 * 1000 * 0.95, seconds
    # After a pause it is the same.
    kafka.produce([orders.insert({"id": 10000 + i}, partition=i % 2) for i in range(1500)])
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 6000, "the rest")
    took = mariadb.value("SELECT TIMESTAMPDIFF(MICROSECOND, MIN(at), MAX(at)) FROM orders WHERE id >= 10000", database=database)
    assert took > 1.4e6, f"1500 rows within {took} us"
    assert job.stop().code == 0
