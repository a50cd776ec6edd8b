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

    def until(self, phase, condition, most=30):
        """Seconds until the condition holds for the speeds and latencies of the phase: a few, where nothing but the job needs the machine."""
        speeds, latencies = [], []
        while not speeds or not condition(speeds, latencies):
            assert len(speeds) < most, f"not within {most} s: speeds {speeds}, latencies {latencies}"
            speed, latency, _ = self.second(phase)
            speeds.append(speed)
            latencies.append(latency)
        return len(speeds)


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
    speed = max(speed for speed, _, _ in [watch.second("full") for _ in range(4)])
    proxy.throttle(FULL / 10)
    slow = watch.until("slow", lambda speeds, latencies: len(speeds) >= 8 and median(latencies[-4:]) < 1000 and  # two seconds and more without a window
                       speed / 40 < median(speeds[-4:]) < speed / 3)
    proxy.throttle(FULL)
    again = watch.until("again", lambda speeds, _: speeds[-1] > speed / 2)
    print(f"{slow} s until it is held, {again} s until it has its speed back")
    job.kill()


def test_max_rows_per_second_is_what_all_workers_together_write(kafka, mariadb, topic, database, job):
    """That it is exact, tests/unit/rate_test.c shows on simulated time."""
    rate, workers = 500, 2
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6))", database=database)
    orders = Table("orders", topic=topic(partitions=workers))
    job.write(orders="return {}")
    job.job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database), max_rows_per_second=rate)
    job.start("--workers", workers)
    job.wait_for(lambda: sorted(p["worker"] for p in job.http_json("/status")["partitions"]) == list(range(workers)), "a partition for each worker")

    def more_than(per_second, count, partitions):
        """Writes so many rows; whether at any time there were more of them than that rate gives since before the first, whatever the machine
        did: while there are no rows, all but a moment of the time that passes is lost."""
        first, began = len(orders.changes), mariadb.value("SELECT NOW(6)")
        kafka.produce([orders.insert({"id": first + i}, partition=i % partitions) for i in range(count)])
        job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == first + count, "all rows")
        rows = mariadb.execute("SELECT TIMESTAMPDIFF(MICROSECOND, %s, at) AS us FROM orders WHERE id >= %s ORDER BY at", began, first, database=database)
        return [any(n > (row["us"] / 1e6 + 0.1) * limit for n, row in enumerate(rows, 1)) for limit in per_second]

    assert more_than([rate * 1.05], 2 * rate, workers) == [False]
    # What one does not need the other has: rows of one partition alone go faster than a share would let them.
    seen = []
    while not seen or not seen[-1][0] and len(seen) < 5:  # where the machine was too slow to show it, once more
        seen.append(more_than([rate / workers * 1.05, rate * 1.05], rate, 1))
    assert seen[-1][0] and not any(over for _, over in seen), seen
    assert job.stop().code == 0
