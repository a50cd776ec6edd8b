"""Where changes come from: topics by name and by pattern, starts and ends in time; files in every form that they have."""

import datetime
import gzip
import os
import pty
import subprocess
import time

import pytest

from support.debezium import Table
from support.files import into_sqlite, kcat_lines, rows, tab_lines
from support.job import Lua, file_source, kafka_source, sqlite_sink, streamlua, tidb_sink

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
T0 = 1700000000000  # 2023-11-14T22:13:20Z


def ids(job):
    return [row["id"] for row in rows(job)]


def inserts(numbers, topic=None, **more):
    table = Table("t", topic=topic)
    return [table.insert({"id": i, "v": f"v{i}"}, **more) for i in numbers]


# ---- kafka ----

def test_topics_by_name_and_no_others(job, kafka, topic):
    a, b, other = topic("a"), topic("b"), topic("ab")
    kafka.produce(inserts([1], a) + inserts([2], b) + inserts([3], other))
    into_sqlite(job, kafka_source(kafka, [a, b]), SCHEMA, t="return {}")
    job.run("--until", "latest").ok().counts(written=2)
    assert ids(job) == [1, 2]


def test_new_partitions_and_new_topics_of_a_pattern_are_taken_up_while_it_runs(job, kafka, topic, unique):
    first = topic("orders")
    kafka.produce(inserts([1], first))
    into_sqlite(job, kafka_source(kafka, f"{unique}.*", config={"topic.metadata.refresh.interval.ms": 300}), SCHEMA, t="return {}")
    job.start()
    job.wait_for(lambda: ids(job) == [1], "the first row")
    kafka.add_partitions(first, 3)
    kafka.produce(inserts([2], topic("more")) + inserts([3], first, partition=2))
    job.wait_for(lambda: ids(job) == [1, 2, 3], "rows of what is new")
    assert job.stop().code == 0


@pytest.fixture
def hourly(kafka, topic):
    """Rows 0 to 4, an hour apart from T0 on; the last two of them in the last hours before now."""
    name = topic()
    now = int(time.time() * 1000)
    stamps = [T0, T0 + 3_600_000, T0 + 7_200_000, now - 5_400_000, now - 1_800_000]
    kafka.produce([r for i, stamp in enumerate(stamps) for r in inserts([i], name, timestamp=stamp)])
    return name


def clock(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("start, expected", [
    ("earliest", [0, 1, 2, 3, 4]), (clock(T0 + 3_600_000), [1, 2, 3, 4]), ("2023-11-15T08:13:20+08:00", [2, 3, 4]), ("-2h", [3, 4]), ("-1h", [4])])
def test_where_it_starts(job, kafka, hourly, start, expected):
    into_sqlite(job, kafka_source(kafka, hourly, start=start), SCHEMA, t="return {}")
    job.run("--until", "latest").ok()
    assert ids(job) == expected


def test_latest_starts_behind_what_is_there(job, kafka, hourly):
    into_sqlite(job, kafka_source(kafka, hourly, start="latest"), SCHEMA, t="return {}")
    job.start()
    kafka.produce(inserts([9], hourly))
    job.wait_for(lambda: ids(job), "the new row")
    assert ids(job) == [9]
    assert job.stop().code == 0


def test_start_is_only_for_where_there_is_no_progress_and_from_moves_it(job, kafka, hourly):
    into_sqlite(job, kafka_source(kafka, hourly, start="-1h"), SCHEMA, t="return {}")
    job.run("--until", "latest").ok().counts(written=1)
    into = kafka_source(kafka, hourly, start="earliest")
    job.job(into, sqlite_sink("out.db")).run("--until", "latest").ok().counts()
    assert ids(job) == [4]
    job.run("--from", clock(T0 + 7_200_000), "--until", "latest").ok().counts(written=3)
    assert ids(job) == [2, 3, 4]
    job.run("--from", "earliest", "--until", "latest").ok().counts(written=5)
    kafka.produce(inserts([5], hourly))
    job.run("--from", "latest", "--until", "latest").ok()
    kafka.produce(inserts([6], hourly))
    job.run("--until", "latest").ok().counts(written=1)
    assert ids(job) == [0, 1, 2, 3, 4, 6]


def test_until_a_time(job, kafka, hourly):
    into_sqlite(job, kafka_source(kafka, hourly), SCHEMA, t="return {}")
    job.run("--until", clock(T0 + 7_200_000)).ok().counts(written=2)
    assert ids(job) == [0, 1]
    job.run("--until", "-1h").ok().counts(written=2)
    assert ids(job) == [0, 1, 2, 3]


def test_properties_are_passed_on(job, kafka, topic):
    name = topic()
    kafka.produce(inserts([1], name))
    # One that cannot work: the broker speaks no TLS.
    into_sqlite(job, kafka_source(kafka, name, config={"security.protocol": "SSL"}), SCHEMA, t="return {}")
    job.start(ready=False)
    job.wait_for(lambda: "SSL" in job.log(), "a word of TLS")
    assert job.stop().code == 0
    job.job(kafka_source(kafka, name, config={"security.protocol": "plaintext", "fetch.min.bytes": 1}), sqlite_sink("out.db"))
    job.run("--until", "latest").ok().counts(written=1)


# ---- files ----

LINES = b"".join(r.value + b"\n" for r in inserts([1, 2, 3]))


@pytest.mark.parametrize("text, expected", [
    (LINES, [1, 2, 3]), (LINES[:-1], [1, 2, 3]), (b"\xef\xbb\xbf" + LINES, [1, 2, 3]), (LINES.replace(b"\n", b"\r\n"), [1, 2, 3]),
    (b"\n\r\n" + LINES.replace(b"\n", b"\n\n"), [1, 2, 3]), (b"", []), (b"\n", [])], ids=["plain", "no end", "bom", "crlf", "blank", "empty", "newline"])
def test_lines(job, text, expected):
    job.file("in.jsonl", text)
    into_sqlite(job, file_source("in.jsonl"), SCHEMA, t="return {}")
    job.run().ok().counts(written=len(expected))
    assert ids(job) == expected
    job.run().ok().counts()


@pytest.mark.parametrize("name, pack", [("in.jsonl.gz", gzip.compress), ("in.jsonl.zst", lambda b: subprocess.run(["zstd", "-c"], input=b, capture_output=True).stdout)],
                         ids=["gz", "zst"])
def test_archives(job, name, pack):
    job.file(name, pack(LINES))
    into_sqlite(job, file_source(name), SCHEMA, t="return {}")
    job.run("--max-events", 2).ok().counts(written=2)
    job.run().ok().counts(written=1)
    assert ids(job) == [1, 2, 3]


def test_keys_and_tombstones(job):
    table = Table("t")
    job.file("in.tsv", tab_lines([table.insert({"id": 1}), table.insert({"id": 2}), table.delete_with_tombstone({"id": 1})]))
    into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, t="return {}")
    job.run().ok().counts(written=3, ignored=1)
    assert ids(job) == [2]


def test_flattened_rows_whose_tombstone_is_the_delete(job):
    job.file("in.tsv", '{"id":1}\t{"id":1,"v":"a"}\n{"id":2}\t{"id":2,"v":"b"}\n{"id":1}\t\n')
    into_sqlite(job, file_source("in.tsv", key_separator="\t", topic="server.shop.t"), SCHEMA, t="return {}")
    job.run().ok().counts(written=3)
    assert ids(job) == [2]


def test_what_kcat_prints_runs_again_elsewhere(job, kafka, topic):
    name = topic(partitions=2)
    table = Table("t", topic=name)
    kafka.produce([table.insert({"id": 1}, partition=0), table.insert({"id": 2, "v": "☃"}, partition=1), table.delete({"id": 1}, partition=0),
                   table.tombstone({"id": 1}, partition=0)])
    printed = subprocess.run(["kcat", "-b", kafka.internal, "-C", "-t", name, "-J", "-e", "-q"], capture_output=True, check=True).stdout
    job.file("in.jsonl", printed)
    into_sqlite(job, file_source("in.jsonl", envelope="kcat"), SCHEMA,
                t='return { filter = function(row, ctx) print(ctx.topic, ctx.partition, ctx.offset) return true end }')
    ended = job.run().ok()
    assert rows(job) == [{"id": 2, "v": "☃"}]
    assert f"{name}\t1\t0" in ended.err and f"{name}\t0\t1" in ended.err


def test_bytes_that_are_no_text_in_an_envelope(job):
    [record] = inserts([1], "shop.t")
    record.key = b"\xff\x00"
    job.file("in.jsonl", kcat_lines([record]))
    into_sqlite(job, file_source("in.jsonl", Lua('''sl.format(function(m)
  return { table = "t", row = { id = #m.key, v = ("%d %d"):format(m.key:byte(1, 2)) } } end)'''), envelope="kcat"), SCHEMA, t="return {}")
    job.run().ok()
    assert rows(job) == [{"id": 2, "v": "255 0"}]


def test_several_files_are_several_partitions(job):
    for n in (1, 2, 3):
        job.file(f"in{n}.jsonl", b"".join(r.value + b"\n" for r in inserts(range(n * 100, n * 100 + 50))))
    into_sqlite(job, file_source(["in1.jsonl", "in2.jsonl", "in3.jsonl"]), SCHEMA, t="return {}")
    job.run("--workers", 2).ok().counts(written=150)
    progress = rows(job, "SELECT DISTINCT topic, `partition`, max(next_offset) AS next FROM streamlua_progress GROUP BY topic, `partition` ORDER BY topic")
    assert len(progress) == 3 and {row["next"] for row in progress} == {50}
    with open(job.folder / "in2.jsonl", "ab") as file:
        file.write(inserts([999])[0].value)
    job.run().ok().counts(written=1)


def test_stdin(job):
    into_sqlite(job, file_source("-"), SCHEMA, t="return {}")
    job.run(input=LINES).ok().counts(written=3)
    assert ids(job) == [1, 2, 3]


def test_a_file_that_got_shorter_is_another_file(job):
    job.file("in.jsonl", LINES)
    into_sqlite(job, file_source("in.jsonl"), SCHEMA, t="return {}").run().ok()
    job.file("in.jsonl", LINES.splitlines()[0])
    ended = job.run()
    assert ended.code != 0 and "in.jsonl" in ended.err and "another file" in ended.err


def test_a_killed_run_into_mariadb_goes_on_without_doubles(job, mariadb, database):
    count = 25_000
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE log (n INT AUTO_INCREMENT PRIMARY KEY, id INT)", database=database)
    for event in ("INSERT", "UPDATE"):
        mariadb.execute(f"CREATE TRIGGER after_{event} AFTER {event} ON t FOR EACH ROW INSERT INTO log (id) VALUES (new.id)", database=database)
    job.file("in.jsonl", b"".join(r.value + b"\n" for r in inserts(range(count)))).write(t="return {}")
    job.job(file_source("in.jsonl"), tidb_sink(mariadb, database))

    def written():
        return mariadb.value("SELECT count(*) FROM log", database=database)
    kills = 0
    for _ in range(3):
        before = written()
        job.start("--http", "off", ready=False)
        job.wait_for(lambda: job.process.poll() is not None or written() > before, "some rows")
        if job.process.poll() is None:
            job.kill()
            kills += 1
    job.run().ok()
    assert kills > 0
    assert written() == mariadb.value("SELECT count(*) FROM t", database=database) == count


def test_a_progress_bar_on_a_terminal_alone(job):
    # A fifo stands for a file that takes a while: the bar needs no clock to be waited for.
    os.mkfifo(job.folder / "in.jsonl")
    into_sqlite(job, file_source("in.jsonl"), SCHEMA, t="return {}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([streamlua(), "run", "job.lua", "--http", "off"], cwd=job.folder, stderr=theirs, stdout=subprocess.PIPE,
                               start_new_session=True)
    os.close(theirs)
    shown = b""
    with open(job.folder / "in.jsonl", "wb", buffering=0) as fifo:
        number = 0
        deadline = time.monotonic() + 30
        os.set_blocking(ours, False)
        while b"events" not in shown and time.monotonic() < deadline:
            number += 1
            fifo.write(inserts([number])[0].value + b"\n")
            try:
                shown += os.read(ours, 4096)
            except BlockingIOError:
                time.sleep(0.01)
    assert process.wait(60) == 0
    process.stdout.close()
    os.close(ours)
    assert b"\r" in shown and b"MB/s" in shown, shown
    assert ids(job) == list(range(1, number + 1))


def test_no_progress_bar_in_a_log(job):
    job.file("in.jsonl", b"".join(r.value + b"\n" for r in inserts(range(30_000))))
    into_sqlite(job, file_source("in.jsonl"), SCHEMA, t="return {}")
    ended = job.run().ok()
    assert "\r" not in ended.err and "MB/s" not in ended.err
