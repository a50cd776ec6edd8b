#!/usr/bin/python3
"""Runs streamlua and the reference program on the same topic, one after the other, and compares throughput, CPU time and memory.

What is measured and how to read it: README.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from support.job import Lua, kafka_source, lua, tidb_sink  # noqa: E402
from support.servers import Kafka, MariaDB  # noqa: E402

TOPIC = "dbserver1.shop.orders"
RUN_SECONDS_MOST = 600

# Larger than the tests' servers have: it is not the log's checkpoints that are to be measured.
MARIADB_OPTIONS = "--innodb-buffer-pool-size=1G --innodb-log-file-size=1G --innodb-log-buffer-size=64M"

TABLE = """
CREATE TABLE orders (
  id BIGINT NOT NULL PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  sku VARCHAR(40) NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(12,2) NOT NULL,
  status VARCHAR(20) NOT NULL,
  note VARCHAR(200),
  created_at DATETIME(3) NOT NULL,
  updated_at TIMESTAMP NOT NULL
)
"""

SCRIPT = """
return {
  columns = {
    id = "id", customer_id = "customer_id", sku = "sku", quantity = "quantity", price = "price",
    status = "status", note = "note", created_at = "created_at", updated_at = "updated_at",
  },
  filter = function(row)
    return row.status ~= "test"
  end,
}
"""

# What streamlua is designed for, against the reference's throughput and for each million of messages.
RATIO_LEAST, CPU_SECONDS_MOST, MEMORY_MB_MOST = 0.7, 5, 150


@dataclass
class Result:
    program: str
    target: str
    round: int
    seconds: float
    messages: int
    cpu_seconds: float
    memory_mb: float

    @property
    def rate(self):
        return self.messages / self.seconds

    @property
    def cpu_a_million(self):
        return self.cpu_seconds * 1e6 / self.messages


class Measured:
    """A process with its children: wall time, CPU time, and the sum of what each of them had resident at its peak."""

    def __init__(self, command, folder):
        self._peaks = {}
        self._ended = threading.Event()
        began = time.monotonic()
        with open(folder / "stderr.log", "ab") as log:
            self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        watch = threading.Thread(target=self._watch)
        watch.start()
        timer = threading.Timer(RUN_SECONDS_MOST, self._process.terminate)
        timer.start()
        try:
            # The kernel adds what a process has waited for to its own: a master's workers are in it.
            _, status, usage = os.wait4(self._process.pid, 0)
            self.seconds = time.monotonic() - began
        finally:
            timer.cancel()
            self._ended.set()
            watch.join()
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.memory_mb = sum(self._peaks.values()) / 1024

    def _watch(self):
        while not self._ended.wait(0.1):
            self._look(self._process.pid)

    def _look(self, pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self._peaks[pid] = int(line.split()[1])
        for child in children:
            self._look(int(child))


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.programs = Path(options.programs).resolve()
        self.streamlua = Path(options.streamlua).resolve()
        self.kafka = Kafka()
        self.mariadb = MariaDB(MARIADB_OPTIONS=MARIADB_OPTIONS)
        self.expected = None

    def __enter__(self):
        self.kafka.start()
        self.mariadb.start()
        return self

    def __exit__(self, *_):
        self.kafka.close()
        self.mariadb.close()

    def generate(self):
        say(f"writing {self.options.messages:,} changes into 8 partitions ...")
        command = [self.programs / "generate", "--brokers", self.kafka.address, "--topic", TOPIC, "--changes", str(self.options.messages)]
        if self.options.schemas:
            command.append("--schemas")
        self.expected = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def empty(self, database):
        self.mariadb.drop_database(database)
        self.mariadb.create_database(database)
        self.mariadb.execute(TABLE, database=database)

    def run_reference(self, target):
        command = [self.programs / "reference", "--brokers", self.kafka.address, "--topic", TOPIC]
        if target == "blackhole":
            return Measured([*command, "--blackhole"], self.folder)
        self.empty("reference")
        return Measured([*command, "--host", self.mariadb.host, "--port", str(self.mariadb.port), "--user", self.mariadb.user,
                         "--password", self.mariadb.password, "--database", "reference"], self.folder)

    def run_streamlua(self, target, number):
        if target != "blackhole":
            self.empty("streamlua")
        sink = Lua("sl.sink.blackhole {}") if target == "blackhole" else tidb_sink(self.mariadb, "streamlua")
        # A blackhole's progress is its consumer group's: each run needs another.
        job = {"name": f"bench-{target}-{number}", "source": kafka_source(self.kafka, TOPIC), "tables": "scripts", "sink": sink}
        fields = "".join(f"  {name} = {lua(value)},\n" for name, value in job.items())
        (self.folder / "scripts").mkdir(exist_ok=True)
        (self.folder / "scripts/orders.lua").write_text(SCRIPT)
        (self.folder / "job.lua").write_text(f'local sl = require "streamlua"\n\nreturn sl.job {{\n{fields}}}\n')
        return Measured([self.streamlua, "run", "job.lua", "--until", "latest", "--http", "off"], self.folder)

    def measure(self, program, target, number):
        measured = self.run_reference(target) if program == "reference" else self.run_streamlua(target, number)
        if measured.code:
            raise SystemExit(f"{program} ended with {measured.code}:\n{(self.folder / 'stderr.log').read_text()[-3000:]}")
        result = Result(program, target, number, measured.seconds, self.options.messages, measured.cpu_seconds, measured.memory_mb)
        if target != "blackhole":
            self.check(program)
        say(f"  {program:9}  {result.seconds:6.2f} s  {result.rate:9,.0f} messages/s  {result.cpu_seconds:5.2f} CPU s  {result.memory_mb:4.0f} MB")
        return result

    def check(self, database):
        """The target must hold what the generator knows it must."""
        found = self.mariadb.execute("SELECT COUNT(*) AS `rows`, SUM(quantity) AS quantity, CAST(SUM(price) * 100 AS INT) AS cents FROM orders",
                                     database=database)[0]
        found = {name: int(value or 0) for name, value in found.items()}
        expected = {name: self.expected[name] for name in found}
        if found != expected:
            raise SystemExit(f"{database}.orders is wrong: {found}, expected {expected}")

    def compare(self):
        """Both targets must be one to the last byte."""
        sums = self.mariadb.execute("CHECKSUM TABLE reference.orders, streamlua.orders EXTENDED")
        if len({row["Checksum"] for row in sums}) != 1 or sums[0]["Checksum"] is None:
            raise SystemExit(f"the two targets differ: {sums}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(results):
    """The medians as a Markdown table."""
    lines = ["| target | program | messages/s | of the reference | seconds | CPU seconds a million | peak MB |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for target in dict.fromkeys(r.target for r in results):
        rates = {}
        for program in ("reference", "streamlua"):
            runs = [r for r in results if (r.program, r.target) == (program, target)]
            median = {name: statistics.median(getattr(r, name) for r in runs) for name in ("rate", "seconds", "cpu_a_million", "memory_mb")}
            rates[program] = median["rate"]
            lines.append(f"| {target} | {program} | {median['rate']:,.0f} | {median['rate'] / rates['reference']:.2f} | {median['seconds']:.2f} "
                         f"| {median['cpu_a_million']:.2f} | {median['memory_mb']:.0f} |")
    lines.append(f"| | designed for | | ≥ {RATIO_LEAST} | | ≤ {CPU_SECONDS_MOST} | ≤ {MEMORY_MB_MOST} |")
    return "\n".join(lines)


def main():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streamlua", default=ROOT / "build/streamlua", help="the program to measure")
    parser.add_argument("--programs", default=ROOT / "build/bench", help="where generate and reference are")
    parser.add_argument("--results", default=ROOT / "build/bench/results.jsonl", help="a line is added to it for each run")
    parser.add_argument("--messages", type=int, default=200_000 if quick else 1_000_000)
    parser.add_argument("--rounds", type=int, default=2 if quick else 5)
    parser.add_argument("--targets", nargs="+", choices=["mariadb", "blackhole"], default=["mariadb", "blackhole"])
    parser.add_argument("--schemas", action="store_true", help="messages with their schema in them")
    options = parser.parse_args()

    results = []
    with tempfile.TemporaryDirectory(prefix="streamlua-bench-") as folder, Bench(options, Path(folder)) as bench:
        bench.generate()
        for target in options.targets:
            for number in range(1, options.rounds + 1):
                say(f"{target}, round {number} of {options.rounds}")
                # Who begins alternates too: the one behind finds the caches warm.
                for program in ("reference", "streamlua") if number % 2 else ("streamlua", "reference"):
                    results.append(bench.measure(program, target, number))
                if target != "blackhole":
                    bench.compare()
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    Path(options.results).parent.mkdir(parents=True, exist_ok=True)
    with open(options.results, "a") as file:
        for result in results:
            file.write(json.dumps({"at": began, "schemas": options.schemas, "cpus": os.cpu_count(), **asdict(result)}) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
