#!/usr/bin/python3
"""How long a job whose state has many keys takes from its start to the first event that it processes: `restart.py --keys 1000000`.

The state is made by the job itself, from as many events; it is stopped, events of 8 keys are written, one a partition, and it is started again. A row
in the target, and what it counts, says that an event was processed with the state that was there before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import confluent_kafka  # noqa: E402
from bench import MARIADB_OPTIONS, say, write_results  # noqa: E402
from measured import ended, tail  # noqa: E402
from programs import write_job  # noqa: E402
from support.job import kafka_source, tidb_sink  # noqa: E402
from support.servers import Kafka, MariaDB  # noqa: E402

PARTITIONS = 8
START_SECONDS_MOST = 2  # what streamlua is designed for
WAIT_SECONDS_MOST = 120

TABLE = "CREATE TABLE seen (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)"

SCRIPTS = {
    "process": """
return {
  key_by = { "id" }, time = "at", state = { ttl = "7d" }, target = "seen",
  process = function(row, state)
    state.n = (state.n or 0) + 1
    return { id = row.id, n = state.n }
  end,
}
""",
    "window": """
local sl = require "streamlua"

return {
  key_by = { "id" }, time = "at", window = sl.tumbling("7d"), aggregate = { n = sl.count() }, target = "seen", columns = { id = "id", n = "n" },
}
""",
}


class Topic:
    """Events of keys; the partition follows from the key."""

    def __init__(self, kafka, name):
        self.name = name
        kafka.create_topic(name, PARTITIONS)
        self._producer = confluent_kafka.Producer({"bootstrap.servers": kafka.address, "linger.ms": 20, "queue.buffering.max.messages": 2_000_000})

    def write(self, ids):
        for i in ids:
            key = f'{{"id":{i}}}'
            self._producer.produce(self.name, f'{{"id":{i},"at":"2024-01-31 12:00:00"}}', key, partition=i % PARTITIONS)
            if i % 10_000 == 0:
                self._producer.poll(0)
        if self._producer.flush(120):
            raise SystemExit("the broker did not take all events")


def measure(options, folder, kind, kafka, mariadb):
    mariadb.create_database(kind)
    mariadb.execute(TABLE, database=kind)
    topic = Topic(kafka, f"{kind}-events")
    write_job(folder, topic.name, SCRIPTS[kind], name=kind, source=kafka_source(kafka, topic.name, "json"), sink=tidb_sink(mariadb, kind))
    run = [options.streamlua, "run", "job.lua", "--http", "off"]
    say(f"{kind}: {options.keys:,} keys ...")
    topic.write(range(options.keys))
    with open(folder / "stderr.log", "ab") as log:
        began = time.monotonic()
        filled = subprocess.run([*run, "--until", "latest"], cwd=folder, stdin=subprocess.DEVNULL, stderr=log)
        if filled.returncode:
            raise SystemExit(f"{kind}: streamlua {ended(filled.returncode)}:\n{tail(folder / 'stderr.log')}")
        fill_seconds = time.monotonic() - began
        held = mariadb.value("SELECT COUNT(*) FROM streamlua_state", database=kind)
        if held != options.keys:
            raise SystemExit(f"{held} keys of state, expected {options.keys}")
        topic.write(range(PARTITIONS))
        first, last = start(run, folder, log, kind, mariadb)
    return {"kind": kind, "keys": options.keys, "fill_seconds": round(fill_seconds, 2), "first_event_seconds": round(first, 3),
            "all_partitions_seconds": round(last, 3)}


def start(run, folder, log, kind, mariadb):
    """Seconds from the start to the first event, and to one of each partition."""
    first = None
    with mariadb.connect(kind) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        process = subprocess.Popen(run, cwd=folder, stdin=subprocess.DEVNULL, stderr=log)
        try:
            while time.monotonic() - began < WAIT_SECONDS_MOST:
                cursor.execute("SELECT COUNT(*) FROM seen WHERE id < %s AND n = 2", (PARTITIONS,))
                count, now = cursor.fetchone()[0], time.monotonic() - began
                first = first or (now if count else None)
                if count == PARTITIONS:
                    return first, now
                time.sleep(0.005)
        finally:
            process.terminate()
            process.wait()
    raise SystemExit(f"{kind}: nothing came within {WAIT_SECONDS_MOST} s:\n{tail(folder / 'stderr.log')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streamlua", type=Path, default=ROOT / "build/streamlua", help="the program to measure")
    parser.add_argument("--results", type=Path, default=ROOT / "build/bench/results.jsonl", help="a line is added to it for each run")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    options = parser.parse_args()
    options.streamlua = options.streamlua.resolve()
    results = []
    kafka, mariadb = Kafka(), MariaDB(MARIADB_OPTIONS=MARIADB_OPTIONS)
    try:
        kafka.start()
        mariadb.start()
        for kind in options.kinds:
            with tempfile.TemporaryDirectory(prefix="streamlua-restart-") as folder:
                results.append(measure(options, Path(folder), kind, kafka, mariadb))
    finally:
        kafka.close()
        mariadb.close()
    write_results(options.results, [{"job": "restart", **result} for result in results])
    print("| state | keys | seconds to make it | from start to the first event, s | to one of each partition, s |\n| --- | ---: | ---: | ---: | ---: |")
    for result in results:
        print(f"| {result['kind']} | {result['keys']:,} | {result['fill_seconds']} | {result['first_event_seconds']} | {result['all_partitions_seconds']} |")
    print(f"| designed for | 1,000,000 | | ≤ {START_SECONDS_MOST} | |")


if __name__ == "__main__":
    main()
