"""What an event costs as jobs grow, and how throughput grows with lanes and workers where the target is far away (--scale).

The cost is CPU time of all processes of a run from files into a blackhole, without that of a run of one event, so that neither servers nor waiting
are in it; of several runs the least, since whatever else the machine does only adds to it.
"""

import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import confluent_kafka
from support.job import Lua, file_source, kafka_source, lua, tidb_sink
from support.mysql_proxy import MysqlProxy

RUNS = 3
LATENCIES_SECONDS = (0.005, 0.1)
FAR_EVENTS = 400_000
EVENTS = 100_000  # of a run, where it is not the number of events that grows
BYTES_MOST = 200_000_000  # of a run: large rows are fewer

FILTER = 'return { filter = function(row) return row.status ~= "test" end }\n'


@dataclass(frozen=True)
class Size:
    events: int = EVENTS
    tables: int = 1
    partitions: int = 8
    bytes: int = 500  # of a message


AXES = {
    "events": [Size(events=n) for n in (10_000, 100_000, 1_000_000)],
    "tables": [Size(tables=n) for n in (1, 10, 100, 1_000)],
    "partitions": [Size(partitions=n) for n in (1, 10, 100, 1_000)],
    "bytes": [Size(bytes=n, events=min(EVENTS, BYTES_MOST // n)) for n in (200, 1_000, 10_000, 100_000)],
}


def message(number, size):
    """An insert or an update of about so many bytes."""
    table = f"orders_{number % size.tables}"
    row = f'"id":{number // 2},"customer_id":{number % 997},"quantity":{number % 90},"price":"12.50","status":"paid"'
    text = f'{{"before":null,"after":{{{row},"note":""}},"source":{{"db":"shop","table":"{table}","ts_ms":1}},"op":"{"cu"[number % 2]}","ts_ms":1}}'
    return text.replace('"note":""', f'"note":"{"n" * max(0, size.bytes - len(text))}"')


def write_files(folder, size):
    """Partition after partition a few messages each, as a broker's answers have them."""
    folder.mkdir()
    stretch = 20
    texts = [[] for _ in range(size.partitions)]
    for number in range(size.events):
        part = number // stretch % size.partitions
        texts[part].append(message(number, size))
        if size.bytes * len(texts[part]) > 1 << 20:
            _flush(folder, part, texts)
    for part in range(size.partitions):
        _flush(folder, part, texts)


def _flush(folder, part, texts):
    with open(folder / f"part-{part:04}.jsonl", "a") as file:
        file.writelines(text + "\n" for text in texts[part])
    texts[part].clear()


def write_job(folder, name, source, sink, tables):
    (folder / "scripts").mkdir(exist_ok=True)
    for number in range(tables):
        (folder / "scripts" / f"orders_{number}.lua").write_text(FILTER)
    fields = {"name": name, "source": source, "sink": sink, "tables": "scripts"}
    lines = "".join(f"  {key} = {lua(value)},\n" for key, value in fields.items())
    (folder / "job.lua").write_text(f'local sl = require "streamlua"\n\nreturn sl.job {{\n{lines}}}\n')


def run(program, folder, *words):
    """(seconds, CPU seconds) of a run to its end."""
    began = time.monotonic()
    with open(folder / "stderr.log", "ab") as log:
        process = subprocess.Popen([program, "run", "job.lua", "--http", "off", *map(str, words)], cwd=folder, stdin=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run failed:\n{(folder / 'stderr.log').read_text()[-3000:]}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def cost(world, program, size, number):
    """Microseconds of CPU an event."""
    folder = world.folder / f"scale-{number}"
    folder.mkdir()
    write_files(folder / "in", size)
    write_job(folder, f"scale-{number}", file_source([f"in/part-{part:04}.jsonl" for part in range(size.partitions)]), Lua("sl.sink.blackhole {}"), size.tables)
    spent = min(_fresh(program, folder) for _ in range(RUNS))
    for path in (folder / "in").iterdir():
        path.write_text(path.read_text()[:path.read_text().index("\n") + 1] if path.name == "part-0000.jsonl" else "")
    idle = min(_fresh(program, folder) for _ in range(RUNS))
    subprocess.run(["rm", "-r", folder], check=True)
    return (spent - idle) * 1e6 / size.events


def _fresh(program, folder):
    """A blackhole keeps no progress of files: each run reads them anew."""
    return run(program, folder)[1]


def far_away(world, program):
    """Changes a second into a target whose answers take their time, by lanes and by workers: from its first row to its last, so without the start."""
    lines = ["| answers after ms | lanes | workers | changes/s |", "| ---: | ---: | ---: | ---: |"]
    topic = "scale.shop.orders_0"
    size = Size(events=FAR_EVENTS)
    producer = confluent_kafka.Producer({"bootstrap.servers": world.kafka.address, "linger.ms": 20, "queue.buffering.max.messages": FAR_EVENTS})
    world.kafka.create_topic(topic, 8)
    for number in range(size.events):
        producer.produce(topic, message(number, size), f'{{"id":{number // 2}}}', partition=number // 2 % 8)
        producer.poll(0)
    producer.flush()
    for latency, (lanes, workers) in itertools.product(LATENCIES_SECONDS, ((1, 1), (2, 1), (4, 1), (8, 1), (1, 2), (1, 4))):
        name = f"far_{latency * 1000:.0f}_{lanes}_{workers}"
        folder = world.folder / name
        folder.mkdir()
        world.mariadb.create_database(name)
        world.mariadb.execute("CREATE TABLE orders_0 (id BIGINT PRIMARY KEY, customer_id BIGINT, quantity INT, price DECIMAL(12,2), status VARCHAR(20), "
                              "note TEXT, written_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))", database=name)
        with MysqlProxy(world.mariadb.host, world.mariadb.port) as proxy:
            proxy.latency(latency)
            write_job(folder, name, kafka_source(world.kafka, topic), tidb_sink(world.mariadb, name, port=proxy.port, lanes=lanes), 1)
            run(program, folder, "--until", "latest", "--workers", workers)
        seconds = world.mariadb.value("SELECT TIMESTAMPDIFF(MICROSECOND, MIN(written_at), MAX(written_at)) / 1e6 FROM orders_0", database=name)
        lines.append(f"| {latency * 1000:.0f} | {lanes} | {workers} | {size.events / float(seconds):,.0f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def scale(world, program):
    lines = ["| of a run from files into a blackhole | CPU microseconds an event |", "| --- | ---: |"]
    number = 0
    for axis, sizes in AXES.items():
        for size in sizes:
            number += 1
            lines.append(f"| {getattr(size, axis):,} {axis} | {cost(world, program, size, number):.2f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join([*lines, "", *far_away(world, program)])
