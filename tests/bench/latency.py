"""How long it takes from producing a message to the commit of its row: `make bench BENCH=--latency`.

Beside streamlua there are three processes. One hands messages to Kafka's client at an even pace, each with the time at which it does. This one asks MariaDB
without end for rows that it has not seen, and takes the moment of the answer for that of the commit: too late by at most one such question and half a
millisecond between two; what a question takes is printed. The third commits a row of its own by a plain INSERT fifty times a second, and takes the time from its statement
to the answer: what a commit costs a client that does nothing else, at that load.
"""

import json
import multiprocessing
import statistics
import subprocess
import time

import confluent_kafka
import pymysql
from measured import ended, tail
from programs import write_job
from support.job import kafka_source, tidb_sink

RATES = (1000, 5000)  # messages a second
SECONDS = 20  # of messages that count
PARTITIONS = 8
WARM_SECONDS = 3  # of messages that do not count: Lua is compiled, connections are made
WAIT_SECONDS_MOST = 120  # for what is behind the last message's turn
PROBES_A_SECOND = 50
PAUSE_SECONDS = 0.0005  # of the watch, between two questions
NOTE = "n" * 100
P50_MS_MOST, P99_MS_MOST = 5, 25  # what streamlua is designed for, beyond the database's own

SCRIPT = 'return { target = "events" }\n'
TABLES = ("CREATE TABLE events (id BIGINT NOT NULL PRIMARY KEY, produced BIGINT NOT NULL, note VARCHAR(200) NOT NULL)",
          "CREATE TABLE probes (id BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200) NOT NULL)")


def produce(brokers, topic, first, count, rate, times=None):
    """Messages `first` to `first + count - 1`, so many a second; 0: at once. Puts what it took until the broker had acknowledged each, in ms by number."""
    taken = {}

    def delivered(number, at):
        def note(error, message):
            taken[number] = (time.monotonic_ns() - at) / 1e6
        return note

    producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 3})
    began = time.monotonic()
    for i in range(count):
        wait = began + i / rate - time.monotonic() if rate else 0
        if wait > 0:
            time.sleep(wait)
        number, at = first + i, time.monotonic_ns()
        producer.produce(topic, json.dumps({"id": number, "produced": at, "note": NOTE}), f'{{"id":{number}}}', partition=number % PARTITIONS,
                         on_delivery=delivered(number, at))
        producer.poll(0)
    if producer.flush(WAIT_SECONDS_MOST):
        raise SystemExit("the broker did not take all messages")
    if times:
        times.put(taken)


def probe(place, stop, times):
    """What a commit takes, until it is stopped; puts the times in ms."""
    with pymysql.connect(**place, autocommit=True) as connection, connection.cursor() as cursor:
        taken = []
        while not stop.wait(1 / PROBES_A_SECOND):
            began = time.monotonic()
            cursor.execute("INSERT INTO probes (note) VALUES (%s)", (NOTE,))
            taken.append((time.monotonic() - began) * 1000)
        times.put(taken)


class Watch:
    """Sees rows come. `latencies` are by message, in ms; `questions` what asking took."""

    def __init__(self, connection):
        self._cursor = connection.cursor()
        self.latencies, self.questions = {}, []
        self._low = 0  # all below it were seen

    def look(self):
        began = time.monotonic()
        self._cursor.execute("SELECT id, produced FROM events WHERE id >= %s", (self._low,))
        rows, now = self._cursor.fetchall(), time.monotonic()
        self.questions.append((now - began) * 1000)
        for number, produced in rows:
            self.latencies.setdefault(number, now * 1000 - produced / 1e6)
        while self._low in self.latencies:
            self._low += 1

    def until(self, count, seconds, process):
        deadline = time.monotonic() + seconds
        while self._low < count:
            self.look()
            time.sleep(PAUSE_SECONDS)
            if process.poll() is not None:
                raise SystemExit(f"streamlua {ended(process.returncode)}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{len(self.latencies):,} of {count:,} messages came within {seconds} s")


def percentiles(values):
    cuts = statistics.quantiles(values, n=100)
    return round(cuts[49], 2), round(cuts[98], 2)


def measure(world, program, rate):
    kafka, mariadb, folder = world.kafka, world.mariadb, world.folder
    name = f"latency_{rate}"
    mariadb.create_database(name)
    for table in TABLES:
        mariadb.execute(table, database=name)
    kafka.create_topic(name, PARTITIONS)
    write_job(folder, name, SCRIPT, name=name, source=kafka_source(kafka, name, "json"), sink=tidb_sink(mariadb, name))
    count = rate * (SECONDS + WARM_SECONDS)
    context = multiprocessing.get_context("spawn")
    stop, times, accepted = context.Event(), context.Queue(), context.Queue()
    place = {"host": mariadb.host, "port": mariadb.port, "user": mariadb.user, "password": mariadb.password, "database": name}
    others = [context.Process(target=produce, args=(kafka.address, name, PARTITIONS, count, rate, accepted)),
              context.Process(target=probe, args=(place, stop, times))]
    log = folder / "streamlua.stderr.log"
    with log.open("wb") as stderr, pymysql.connect(**place, autocommit=True) as connection:
        process = subprocess.Popen([program, "run", "job.lua", "--http", "off"], cwd=folder, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            watch = Watch(connection)
            produce(kafka.address, name, 0, PARTITIONS, 0)  # one a partition: it has begun
            watch.until(PARTITIONS, WAIT_SECONDS_MOST, process)
            for other in others:
                other.start()
            watch.until(PARTITIONS + count, WARM_SECONDS + SECONDS + WAIT_SECONDS_MOST, process)
            stop.set()
            commits, broker = times.get(timeout=WAIT_SECONDS_MOST), accepted.get(timeout=WAIT_SECONDS_MOST)
        except SystemExit as failure:
            raise SystemExit(f"latency: {failure}; the end of what streamlua said:\n{tail(log)}") from failure
        finally:
            stop.set()
            process.terminate()
            process.wait()
            for other in filter(lambda one: one.pid, others):
                other.join(WAIT_SECONDS_MOST)
    counted = range(PARTITIONS + WARM_SECONDS * rate, PARTITIONS + count)
    result = {"rate": rate, "messages": len(counted), "ms": percentiles([watch.latencies[number] for number in counted]),
              "broker_ms": percentiles([broker[number] for number in counted]),
              "after_ms": percentiles([watch.latencies[number] - broker[number] for number in counted]),
              "commit_ms": percentiles(commits), "question_ms": percentiles(watch.questions)}
    result["beyond_ms"] = tuple(round(ours - own, 2) for ours, own in zip(result["ms"], result["commit_ms"]))
    return result


def latency(world, program):
    """The table of both rates."""
    results = [measure(world, program, rate) for rate in RATES]
    world.write_lines([{"job": "latency", **result} for result in results])
    lines = ["| messages a second, p50 and p99 in ms | from produce to commit | of these, until Kafka's answer | from there to commit | the database's own commit "
             "| beyond it | a question of the watch |", "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for result in results:
        cells = (f"{p50}, {p99}" for p50, p99 in (result[name] for name in ("ms", "broker_ms", "after_ms", "commit_ms", "beyond_ms", "question_ms")))
        lines.append(f"| {result['rate']:,} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, f"| designed for | | | | | ≤ {P50_MS_MOST}, ≤ {P99_MS_MOST} | |"])
