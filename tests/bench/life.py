"""A job's life beside its throughput: what it takes while it has nothing to do (--idle), how long from its start to its first row (--start), and
what a reload costs the stream (--reload). `make bench BENCH=--start`; nothing here is a verdict, values are printed."""

import os
import re
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

import confluent_kafka
from support.job import kafka_source, lua, tidb_sink

SCRIPTS = 100  # each with a table and a topic of its own
IDLE_SECONDS = 10
ROUNDS = 5
RATE, STREAMED = 1000, 4  # changes a second while scripts are reloaded, and of how many tables: so few that transactions are short
WAIT_SECONDS_MOST = 60

# What streamlua is designed for.
IDLE_MB_MOST, IDLE_CPU_MOST, START_MS_MOST, RELOAD_MS_MOST, PAUSE_MS_MOST = 60, 0.01, 300, 100, 20

TABLE = """CREATE TABLE `{name}` (id BIGINT PRIMARY KEY, customer_id BIGINT, sku VARCHAR(40), quantity INT, price DECIMAL(12,2), status VARCHAR(20),
  total INT, written_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"""

SCRIPT = """-- Orders as shop {number} has them.
return {{
  filter = function(row) return row.status ~= "test" end,
  columns = {{
    id = "id", customer_id = "customer_id", quantity = "quantity", price = "price", status = "status",
    sku = function(row) return row.sku:upper() end,
    total = function(row) return row.quantity * 2 end,
  }},
}}
"""


def names():
    return [f"orders_{i:03}" for i in range(SCRIPTS)]


def change(table, number):
    row = f'{{"id":{number},"customer_id":{number % 997},"sku":"sku-{number}","quantity":{number % 90},"price":"12.50","status":"paid"}}'
    return f'{{"id":{number}}}', f'{{"before":null,"after":{row},"source":{{"db":"shop","table":"{table}","ts_ms":1}},"op":"c","ts_ms":1}}'


class Shops:
    """A hundred tables in the target, their topics, and a job with a script for each."""

    def __init__(self, world, program, kind):
        self.world, self.program = world, program
        self.database = self.kind = kind
        self.producer = confluent_kafka.Producer({"bootstrap.servers": world.kafka.address, "linger.ms": 0})
        self.written = 0
        world.mariadb.create_database(self.database)
        world.mariadb.execute(";".join(TABLE.format(name=name) for name in names()), database=self.database)
        topics = [confluent_kafka.admin.NewTopic(self.topic(name), 1, 1) for name in names()]
        for future in world.kafka.admin.create_topics(topics).values():
            future.result(60)
        self.folder = world.folder / kind
        (self.folder / "scripts").mkdir(parents=True)
        for number, name in enumerate(names()):
            (self.folder / "scripts" / f"{name}.lua").write_text(SCRIPT.format(number=number))

    @property
    def topics(self):
        return rf"^{self.kind}\.shop\..*"

    def topic(self, name):
        return f"{self.kind}.shop.{name}"

    def write_job(self, name):
        fields = {"name": name, "source": kafka_source(self.world.kafka, self.topics), "tables": "scripts",
                  "sink": tidb_sink(self.world.mariadb, self.database)}
        lines = "".join(f"  {key} = {lua(value)},\n" for key, value in fields.items())
        (self.folder / "job.lua").write_text(f'local sl = require "streamlua"\n\nreturn sl.job {{\n{lines}}}\n')

    def write(self, count=1, tables=SCRIPTS):
        """The next changes, table after table."""
        for _ in range(count):
            name = names()[self.written % tables]
            key, value = change(name, self.written)
            self.producer.produce(self.topic(name), value, key)
            self.written += 1
        self.producer.poll(0)

    def empty(self):
        self.world.mariadb.execute(";".join(f"DELETE FROM `{name}`" for name in names()), database=self.database)

    def start(self):
        return Process([self.program, "run", "job.lua", "--http", "off"], self.folder)


class Process:
    """The program in the background, and its stderr line by line with the times at which they came."""

    def __init__(self, command, folder):
        self.began = time.monotonic()
        self._process = subprocess.Popen(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stderr:
            self.lines.append((time.monotonic(), line.rstrip()))

    def said(self, pattern, after=0):
        """When it said so, waited for."""
        until = time.monotonic() + WAIT_SECONDS_MOST
        while time.monotonic() < until and self._process.poll() is None:
            for at, line in list(self.lines):
                if at >= after and re.search(pattern, line):
                    return at
            time.sleep(0.001)
        raise SystemExit(f"it did not say {pattern}:\n" + "\n".join(line for _, line in self.lines[-30:]))

    def pids(self):
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def reload(self):
        os.kill(self._process.pid, signal.SIGHUP)
        return time.monotonic()

    def end(self):
        self._process.terminate()
        self._process.wait()


def cpu_seconds(pid):
    """Of all its threads, to the nanosecond."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def wakeups(pid):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", task.joinpath("status").read_text(), re.M)[1])
               for task in Path(f"/proc/{pid}/task").iterdir())


def memory_mb(pid):
    """(resident, of it no other process's)"""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, clean, dirty = (int(re.search(rf"^{name}:\s+(\d+)", rollup, re.M)[1]) / 1024 for name in ("Rss", "Private_Clean", "Private_Dirty"))
    return rss, clean + dirty


def idle(world, program):
    """Once it has written rows of all tables, nothing more comes."""
    shops = Shops(world, program, "idle")
    shops.write_job("idle")
    shops.write(SCRIPTS * 10)
    shops.producer.flush()
    process = shops.start()
    _wait_for_rows(shops, SCRIPTS * 10)
    time.sleep(5)
    before = [(cpu_seconds(pid), wakeups(pid)) for pid in process.pids()]
    time.sleep(IDLE_SECONDS)
    pids = process.pids()
    lines = ["| process | CPU % | wake-ups a second | resident MB | of it its own |", "| --- | ---: | ---: | ---: | ---: |"]
    totals = [0, 0, 0, 0]
    for name, pid, (cpu, wakes) in zip(("master", "worker"), pids, before, strict=True):
        row = [(cpu_seconds(pid) - cpu) / IDLE_SECONDS * 100, (wakeups(pid) - wakes) / IDLE_SECONDS, *memory_mb(pid)]
        totals = [a + b for a, b in zip(totals, row, strict=True)]
        lines.append(f"| {name} | {row[0]:.2f} | {row[1]:.0f} | {row[2]:.1f} | {row[3]:.1f} |")
    process.end()
    lines.append(f"| together | {totals[0]:.2f} | {totals[1]:.0f} | {totals[2]:.1f} | {totals[3]:.1f} |")
    lines.append(f"| designed for | < {IDLE_CPU_MOST * 100:.0f} | | < {IDLE_MB_MOST} | |")
    return "\n".join(lines)


def _wait_for_rows(shops, count):
    """Seconds on the clock when so many rows were there."""
    some = " UNION ALL ".join(f"SELECT COUNT(*) AS n FROM `{name}`" for name in names())
    until = time.monotonic() + WAIT_SECONDS_MOST
    with shops.world.mariadb.connect(shops.database) as connection, connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(f"SELECT SUM(n) FROM ({some}) AS counts")
            if cursor.fetchone()[0] >= count:
                return time.monotonic()
            time.sleep(0.002)
    raise SystemExit("the rows did not come")


def kafka_alone(shops):
    """What a consumer without a target takes from its start to its first message: the group's own part."""
    began = time.monotonic()
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shops.world.kafka.address, "group.id": f"alone-{time.time_ns()}",
                                         "auto.offset.reset": "earliest", "log_level": 2,
                                         "partition.assignment.strategy": "cooperative-sticky"})
    consumer.subscribe([shops.topics])
    while True:
        message = consumer.poll(1)
        if message and not message.error():
            took = time.monotonic() - began
            consumer.close()
            return took


def start(world, program):
    shops = Shops(world, program, "start")
    shops.write(SCRIPTS)
    shops.producer.flush()
    rounds = {"first row": [], "a row in each table": [], "checked (master)": [], "assigned (worker)": [], "a consumer alone, to its first message": []}
    for number in range(ROUNDS):
        shops.empty()
        shops.write_job(f"start-{number}")
        rounds["a consumer alone, to its first message"].append(kafka_alone(shops))
        process = shops.start()
        first = _wait_for_rows(shops, 1)
        last = _wait_for_rows(shops, SCRIPTS)
        rounds["first row"].append(first - process.began)
        rounds["a row in each table"].append(last - process.began)
        rounds["checked (master)"].append(process.said(r"\d+ scripts?, version") - process.began)
        rounds["assigned (worker)"].append(process.said("partitions are assigned") - process.began)
        process.end()
    lines = [f"| from the start, {SCRIPTS} scripts, ms | least | median | most |", "| --- | ---: | ---: | ---: |"]
    for name, seconds in rounds.items():
        lines.append(f"| {name} | {min(seconds) * 1000:.0f} | {statistics.median(seconds) * 1000:.0f} | {max(seconds) * 1000:.0f} |")
    lines.append(f"| first row: designed for | | ≤ {START_MS_MOST} | |")
    return "\n".join(lines)


class Stream(threading.Thread):
    """Writes RATE changes a second until it is ended."""

    def __init__(self, shops):
        super().__init__(daemon=True)
        self._shops, self._ended = shops, threading.Event()

    def run(self):
        began, written = time.monotonic(), 0
        while not self._ended.wait(0.001):
            due = int((time.monotonic() - began) * RATE) - written
            self._shops.write(due, STREAMED)
            written += due

    def end(self):
        self._ended.set()
        self.join()
        self._shops.producer.flush()


def _largest_gap(shops, since, until):
    """The longest time in which no row was written, between two times of the server, in ms."""
    rows = " UNION ALL ".join(f"SELECT written_at FROM `{name}` WHERE written_at BETWEEN '{since}' AND '{until}'" for name in names())
    times = [row["at"] for row in shops.world.mariadb.execute(
        f"SELECT DISTINCT UNIX_TIMESTAMP(written_at) AS at FROM ({rows}) AS times ORDER BY 1", database=shops.database)]
    return max(float(b - a) for a, b in zip(times, times[1:])) * 1000


def _server_time(shops):
    return shops.world.mariadb.value("SELECT CAST(NOW(6) AS CHAR)")


def reload(world, program):
    shops = Shops(world, program, "reload")
    shops.write_job("reload")
    shops.write(SCRIPTS)
    shops.producer.flush()
    process = shops.start()
    _wait_for_rows(shops, SCRIPTS)
    stream = Stream(shops)
    stream.start()
    time.sleep(2)
    took, gaps, quiet = [], [], []
    for number in range(ROUNDS):
        path = shops.folder / "scripts" / "orders_000.lua"
        path.write_text(SCRIPT.format(number=f"0, version {number}"))
        times = [_server_time(shops)]
        time.sleep(1)
        times.append(_server_time(shops))
        asked = process.reload()
        took.append(process.said("reloaded: version", asked) - asked)
        time.sleep(1 - took[-1] if took[-1] < 1 else 0)
        times.append(_server_time(shops))
        time.sleep(0.2)
        quiet.append(_largest_gap(shops, times[0], times[1]))
        gaps.append(_largest_gap(shops, times[1], times[2]))
    stream.end()
    process.end()
    lines = [f"| reload of {SCRIPTS} scripts, {RATE:,} changes a second of {STREAMED} tables, ms | least | median | most |", "| --- | ---: | ---: | ---: |"]
    for name, numbers in (("from SIGHUP to the new scripts in use", [1000 * t for t in took]), ("longest time without a row, in that second", gaps),
                          ("the same in the second before", quiet)):
        lines.append(f"| {name} | {min(numbers):.0f} | {statistics.median(numbers):.0f} | {max(numbers):.0f} |")
    lines.append(f"| designed for | | ≤ {RELOAD_MS_MOST}, without a row ≤ {PAUSE_MS_MOST} | |")
    return "\n".join(lines)
