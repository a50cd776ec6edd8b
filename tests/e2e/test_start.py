"""The first moments of a run: what it waits for, what it refuses, and that nothing that reaches it early is its end."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.debezium import Table
from support.files import into_sqlite, tab_lines
from support.job import file_source, kafka_source, streamlua, tidb_sink


@pytest.fixture
def away(kafka, mariadb, topic, database, job, proxy):
    """A job whose database refuses connections."""
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    table = Table("t", topic=topic())
    kafka.produce([table.insert({"id": i}) for i in range(10)])
    job.write(t="return {}").job(kafka_source(kafka, table.topic), tidb_sink(mariadb, database, port=proxy.port, connect_timeout="1s"))
    proxy.refuse()
    return job


def waits(job):
    job.wait_for(lambda: "waiting until it can be reached" in job.log(), "a word of the database that is away")
    assert job.http("/healthz")[0] == 200 and job.http("/readyz")[0] == 503


@pytest.mark.parametrize("args", [[], ["--until", "latest"], ["--until", "latest", "--from", "earliest"]], ids=["endless", "bounded", "from"])
def test_a_database_that_is_not_there_yet_is_waited_for(away, mariadb, database, proxy, args):
    away.start(*args, ready=False)
    waits(away)
    proxy.accept()
    away.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) == 10, "all rows")
    if args:
        assert away.wait().code == 0
    else:
        assert away.stop().code == 0
    assert away.log().count("waiting until it can be reached") == 1


def test_who_waits_can_be_stopped(away):
    away.start(ready=False)
    waits(away)
    away.reload()
    assert away.stop().code == 0


def test_people_are_told_at_once(away):
    for args in (["check", "job.lua"], ["run", "job.lua", "--dry-run", "--until", "latest", "--http", "off"]):
        told = away.command(*args)
        assert told.code == 2 and "cannot connect" in told.err and "that the database is running" in told.err, told


def test_what_only_a_person_can_mend_is_not_waited_for(away, mariadb, database, proxy):
    proxy.accept()
    text = (away.folder / "job.lua").read_text()
    wrong = away.file("job.lua", text.replace(f'["password"] = "{mariadb.password}"', '["password"] = "wr0ng"')).run()
    assert wrong.code == 2 and "error 1045" in wrong.err and "wr0ng" not in wrong.err, wrong
    away.file("job.lua", text)
    mariadb.execute("DROP TABLE t", database=database)
    missing = away.run("--until", "latest")
    assert missing.code == 2 and "no table" in missing.err, missing


def takes_sighup(pid):
    try:
        masks = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(("SigIgn", "SigCgt"))]
    except OSError:
        return False
    return any(int(mask, 16) & 1 << (signal.SIGHUP - 1) for mask in masks)


def test_sighup_is_never_the_end(job):
    """From the first moment to the last; what is before main() is not ours."""
    job.file("in.tsv", tab_lines(Table("t").insert({"id": i, "v": "v"}) for i in range(10)))
    into_sqlite(job, file_source("in.tsv", key_separator="\t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", t="return {}")
    for _ in range(5):
        process = subprocess.Popen([streamlua(), "run", "job.lua", "--http", "off"], cwd=job.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not takes_sighup(process.pid):
            assert process.poll() is None
        sent = 0
        while process.poll() is None:
            os.kill(process.pid, signal.SIGHUP)
            sent += 1
            time.sleep(0.0005)
        assert process.returncode == 0, process.stderr.read().decode()
        assert sent > 10
