#!/usr/bin/python3
"""Runs streamlua and others on the same topics, one after the other, and compares throughput, CPU time and memory.

What is measured and how to read it: README.md beside this file.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import latency  # noqa: E402
import life  # noqa: E402
import scale  # noqa: E402
from debezium import Debezium  # noqa: E402
from flink import Flink  # noqa: E402
from jobs import JOBS  # noqa: E402
from measured import Measured, ended, tail  # noqa: E402
from programs import Reference, Streamlua  # noqa: E402
from support.servers import Kafka, MariaDB  # noqa: E402
from table import table  # noqa: E402

PEERS = {"flink": Flink, "debezium": Debezium}

# Not throughput: each returns a table of its own.
OTHERS = {"idle": life.idle, "start": life.start, "reload": life.reload, "scale": scale.scale, "latency": latency.latency}

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


class Failed(Exception):
    """A run that is worth nothing: what happened, and the log that may say why."""

    def __init__(self, what, log=None):
        super().__init__(what)
        self.log = log


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

    def broken(self):
        """Which server is gone, as a text; None while both are there."""
        for server in (self.kafka, self.mariadb):
            if not server.running:
                return f"lost its server: {server.script} ended"
        return None

    def measure(self, command, name, until=None):
        return Measured(command, self.folder, name, until=until, broken=self.broken)

    def keep_logs(self):
        """Copies what programs and servers said to where it outlives them; returns that folder."""
        kept = self.options.results.parent / "failed"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for path in (*self.folder.glob("*.log"), *self.folder.glob("*.lua"), *self.folder.glob("*.sql")):
            shutil.copy(path, kept)
        for server in (self.kafka, self.mariadb):
            (kept / f"{server.script}.log").write_text(server.log())
        return kept

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
            log = self.folder / "generate.stderr.log"
            with log.open("wb") as stderr:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
            if done.returncode:
                raise Failed(f"generate {self.broken() or ended(done.returncode)}", log)
            self._written[job.topic] = json.loads(done.stdout)
        return self._written[job.topic]

    def write(self, result):
        """A line of the results, at once: a run that comes to no end has those before."""
        self.write_lines([{"schemas": self.options.schemas, **asdict(result)}])

    def write_lines(self, results):
        write_results(self.options.results, results)

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
    if measured.fault:
        raise Failed(f"{job.name}, round {number}: {program.name} {measured.fault} after {measured.seconds:.1f} s", measured.log)
    if job.table:
        check(world, job, database, expected, measured.log, "all_" if is_whole(program) else "")
    result = Result(job.name, program.name, number, world.messages(job), measured.seconds, getattr(measured, "start_seconds", 0),
                    measured.cpu_seconds, measured.memory_mb)
    say(f"  {program.name:17}  {result.seconds:6.2f} s  {result.rate:9,.0f} messages/s  {result.cpu_seconds:6.2f} CPU s  {result.memory_mb:4.0f} MB")
    return result


def is_whole(program):
    """Whether it filters nothing, so that its target is another one."""
    return getattr(program, "whole", False)


def check(world, job, database, expected, log, prefix):
    """The target must hold what the generator knows it must, which it says by names with the prefix."""
    found = {name: int(value or 0) for name, value in world.mariadb.execute(job.found, database=database)[0].items()}
    expected = {name: expected[prefix + name] for name in found}
    if found != expected:
        raise Failed(f"{job.name}: {database}.{job.table} is wrong: {found}, expected {expected}", log)


def compare(world, job, programs):
    """All targets must be one to the last byte."""
    tables = ", ".join(f"`{program.name.replace('-', '_')}`.`{job.table}`" for program in programs if not is_whole(program))
    sums = world.mariadb.execute(f"CHECKSUM TABLE {tables} EXTENDED")
    if len({row["Checksum"] for row in sums}) != 1 or sums[0]["Checksum"] is None:
        raise Failed(f"{job.name}: the targets differ: {sums}")


def write_results(path, results):
    """A line for each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for result in results:
            file.write(json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpus": os.cpu_count(), **result}) + "\n")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_job(world, job, programs):
    results = []
    for number in range(1, world.options.rounds + 1):
        say(f"{job.name}, round {number} of {world.options.rounds}")
        # Who begins alternates too: the one behind finds the caches warm.
        for program in programs if number % 2 else reversed(programs):
            results.append(measure(world, job, program, number))
            world.write(results[-1])
        if job.table and job.alike and len(programs) > 1:
            compare(world, job, programs)
    return results


def read_options():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streamlua", type=Path, default=ROOT / "build/streamlua", help="the program to measure")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bench", help="where generate and reference are")
    parser.add_argument("--results", type=Path, default=ROOT / "build/bench/results.jsonl", help="a line is added to it for each run")
    parser.add_argument("--flink", type=Path, default=ROOT / "build/flink", help="where Flink's jars are (make bench-deps)")
    parser.add_argument("--debezium", type=Path, default=ROOT / "build/debezium", help="where Debezium's jars are (make bench-deps)")
    parser.add_argument("--messages", type=int, help="of each job (default: what the job has, a fifth of it with QUICK=1)")
    parser.add_argument("--rounds", type=int, default=2 if quick else 5)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=["mariadb", "blackhole"])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=[], help="who else runs them")
    parser.add_argument("--schemas", action="store_true", help="changes with their schema in them")
    for name in OTHERS:
        parser.add_argument(f"--{name}", action="append_const", const=name, dest="others", help="this instead: README.md")
    options = parser.parse_args()
    options.quick = quick
    options.streamlua, options.programs = options.streamlua.resolve(), options.programs.resolve()
    return options


def run(options):
    known = {name: PEERS[name](options) for name in options.peers}
    if not options.schemas:  # it reads messages without
        known["reference"] = Reference(options)
    results = []
    with tempfile.TemporaryDirectory(prefix="streamlua-bench-") as folder, World(options, Path(folder)) as world:
        try:
            for name in options.others or ():
                print(OTHERS[name](world, options.streamlua))
            for job in () if options.others else (JOBS[name] for name in options.jobs):
                programs = [known.get(name) or Streamlua(options, name) for name in job.programs if name in known or name.startswith("streamlua")]
                results += run_job(world, job, programs)
        except BaseException as failure:
            say(f"bench: {failure or type(failure).__name__}")
            log = getattr(failure, "log", None)
            if log:
                say(f"  the end of {log.name}:\n{tail(log)}")
            for server in (world.kafka, world.mariadb):
                if not server.running:
                    say(f"  {server.script} does not run any more; the end of its log:\n{tail(server.folder / 'log')}")
            say(f"  all logs: {world.keep_logs()}")
            if isinstance(failure, (Failed, SystemExit)):
                raise SystemExit(1) from failure
            raise
    if results:
        print(table(results))


def on_signal(number, _):
    raise SystemExit(f"ended by {signal.Signals(number).name}")


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    run(read_options())


if __name__ == "__main__":
    main()
