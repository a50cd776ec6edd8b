#!/usr/bin/python3
"""Runs streamlua and others on the same topics, one after the other, and compares throughput, CPU time and memory.

What is measured and how to read it: README.md beside this file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from flink import Flink  # noqa: E402
from jobs import JOBS  # noqa: E402
from programs import Reference, Streamlua  # noqa: E402
from support.servers import Kafka, MariaDB  # noqa: E402
from table import table  # noqa: E402

PEERS = {"flink": Flink}

# Larger than the tests' servers have: it is not the log's checkpoints that are to be measured.
MARIADB_OPTIONS = "--innodb-buffer-pool-size=1G --innodb-log-file-size=1G --innodb-log-buffer-size=64M"


@dataclass
class Result:
    job: str
    program: str
    round: int
    messages: int
    seconds: float  # all of it
    start_seconds: float  # of these, before a peer's job was running
    cpu_seconds: float
    memory_mb: float

    @property
    def rate(self):
        return self.messages / (self.seconds - self.start_seconds)

    @property
    def cpu_a_million(self):
        return self.cpu_seconds * 1e6 / self.messages


class World:
    """The servers, their topics and databases, and a folder for what runs."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.kafka = Kafka()
        self.mariadb = MariaDB(MARIADB_OPTIONS=MARIADB_OPTIONS)
        self._written = {}

    def __enter__(self):
        self.kafka.start()
        self.mariadb.start()
        return self

    def __exit__(self, *_):
        self.kafka.close()
        self.mariadb.close()

    def messages(self, job):
        """How many messages the job has."""
        return int(self.options.messages or (job.messages // 5 if self.options.quick else job.messages))

    def generate(self, job):
        """Writes the job's topic, once; returns what its target must hold."""
        if job.topic not in self._written:
            count = self.messages(job)
            say(f"writing {count:,} {job.sample} into 8 partitions ...")
            command = [self.options.programs / "generate", "--brokers", self.kafka.address, "--topic", job.topic, "--sample", job.sample,
                       "--messages", str(count)]
            if self.options.schemas and job.sample == "changes":
                command.append("--schemas")
            self._written[job.topic] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return self._written[job.topic]

    def empty(self, database, job):
        self.mariadb.drop_database(database)
        self.mariadb.create_database(database)
        self.mariadb.execute(job.schema(), database=database)


def measure(world, job, program, number):
    expected = world.generate(job)
    database = program.name.replace("-", "_")
    if job.table:
        world.empty(database, job)
    measured = program.run(world, job, database, number)
    if measured.code:
        raise SystemExit(f"{program.name} ended with {measured.code}:\n{(world.folder / 'stderr.log').read_text()[-3000:]}")
    if job.table:
        check(world, job, database, expected)
    result = Result(job.name, program.name, number, world.messages(job), measured.seconds, getattr(measured, "start_seconds", 0),
                    measured.cpu_seconds, measured.memory_mb)
    say(f"  {program.name:17}  {result.seconds:6.2f} s  {result.rate:9,.0f} messages/s  {result.cpu_seconds:6.2f} CPU s  {result.memory_mb:4.0f} MB")
    return result


def check(world, job, database, expected):
    """The target must hold what the generator knows it must."""
    found = {name: int(value or 0) for name, value in world.mariadb.execute(job.found, database=database)[0].items()}
    expected = {name: expected[name] for name in found}
    if found != expected:
        raise SystemExit(f"{database}.{job.table} is wrong: {found}, expected {expected}")


def compare(world, job, programs):
    """All targets must be one to the last byte."""
    tables = ", ".join(f"`{program.name.replace('-', '_')}`.`{job.table}`" for program in programs)
    sums = world.mariadb.execute(f"CHECKSUM TABLE {tables} EXTENDED")
    if len({row["Checksum"] for row in sums}) != 1 or sums[0]["Checksum"] is None:
        raise SystemExit(f"the targets differ: {sums}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_job(world, job, programs):
    results = []
    for number in range(1, world.options.rounds + 1):
        say(f"{job.name}, round {number} of {world.options.rounds}")
        # Who begins alternates too: the one behind finds the caches warm.
        for program in programs if number % 2 else reversed(programs):
            results.append(measure(world, job, program, number))
        if job.table and len(programs) > 1:
            compare(world, job, programs)
    return results


def read_options():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streamlua", type=Path, default=ROOT / "build/streamlua", help="the program to measure")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bench", help="where generate and reference are")
    parser.add_argument("--results", type=Path, default=ROOT / "build/bench/results.jsonl", help="a line is added to it for each run")
    parser.add_argument("--flink", type=Path, default=ROOT / "build/flink", help="where Flink's jars are (make bench-deps)")
    parser.add_argument("--messages", type=int, help="of each job (default: what the job has, a fifth of it with QUICK=1)")
    parser.add_argument("--rounds", type=int, default=2 if quick else 5)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=["mariadb", "blackhole"])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=[], help="who else runs them")
    parser.add_argument("--schemas", action="store_true", help="changes with their schema in them")
    options = parser.parse_args()
    options.quick = quick
    options.streamlua, options.programs = options.streamlua.resolve(), options.programs.resolve()
    return options


def main():
    options = read_options()
    known = {"reference": Reference(options), **{name: PEERS[name](options) for name in options.peers}}
    results = []
    with tempfile.TemporaryDirectory(prefix="streamlua-bench-") as folder, World(options, Path(folder)) as world:
        for job in (JOBS[name] for name in options.jobs):
            programs = [known.get(name) or Streamlua(options, name) for name in job.programs if name in known or name.startswith("streamlua")]
            results += run_job(world, job, programs)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    options.results.parent.mkdir(parents=True, exist_ok=True)
    with options.results.open("a") as file:
        for result in results:
            file.write(json.dumps({"at": at, "schemas": options.schemas, "cpus": os.cpu_count(), **asdict(result)}) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
