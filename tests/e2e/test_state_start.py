"""What a job that keeps state refuses, and what it says, so that nothing is counted twice or by halves."""

import json

import pytest

from support.debezium import Table
from support.files import into_sqlite, rows
from support.job import file_source, jsonl_sink, kafka_source, tidb_sink

COUNT = """
return { key_by = { "account_id" }, target = "counts", process = function(row, state)
  state.n = (state.n or 0) + 1
  return { account_id = row.account_id, n = state.n }
end }"""

SCHEMA = "CREATE TABLE counts (account_id INT PRIMARY KEY, n INT)"
EVENTS = "".join(json.dumps({"id": i, "account_id": i % 3}) + "\n" for i in range(30))
COUNTED = [{"account_id": account, "n": 10} for account in range(3)]

# How soon a run that has another number of workers than the last one has the partitions of those that are not there any more.
CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_progress_moves_only_together_with_state(job, mariadb, database, kind):
    source = file_source("in", format="json", topic="payments")
    job.file("in", EVENTS)
    into_sqlite(job, source, SCHEMA, payments=COUNT)
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        job.job(source, tidb_sink(mariadb, database))

    def found(sql):
        return rows(job, sql) if kind == "sqlite" else mariadb.execute(sql, database=database)

    counts, states = "SELECT account_id, n FROM counts ORDER BY account_id", "SELECT `key`, value FROM streamlua_state ORDER BY `key`"
    job.run().ok().counts(written=30)
    kept = found(states)
    refused = job.run("--from", "earliest")
    assert refused.code == 2 and "give --reset-state too" in refused.err, refused.err
    assert found(counts) == COUNTED and found(states) == kept
    job.run().ok().counts()
    job.run("--from", "earliest", "--reset-state").ok().counts(written=30)
    assert found(counts) == COUNTED and found(states) == kept
    # A dry run writes neither.
    job.run("--from", "earliest", "--dry-run").ok()
    assert found(counts) == COUNTED and found(states) == kept
    # Without scripts that keep state there is nothing to refuse.
    job.write(payments="return { target = 'counts', columns = { account_id = 'account_id', n = 'id' } }").run("--from", "earliest").ok()


def test_check_tells_what_scripts_that_keep_state_write(job):
    emits = "return { key_by = { 'account_id' }, process = function(row, state, ctx) ctx:emit('counts', { account_id = 1, n = 1 }) end }"
    windows = "local sl = require 'streamlua' return { key_by = { 'account_id' }, window = sl.tumbling '1m', aggregate = { n = sl.count() }, target = 'counts' }"
    into_sqlite(job, file_source("in", format="json", topic="payments"), SCHEMA, payments=COUNT, emits=emits, windows=windows).file("in", EVENTS)
    lines = job.command("check", "job.lua").ok().out.splitlines()
    assert lines == ["scripts/emits.lua: emits -> what process emits, in the order of key_by",
                     "scripts/payments.lua: payments -> counts (key account_id), rows made by process, in the order of key_by",
                     "scripts/windows.lua: windows -> counts (key account_id), a row a window, in the order of key_by"]


def test_where_the_sink_keeps_no_state_it_is_said_once(job):
    job.file("in", EVENTS).write(payments=COUNT).job(file_source("in", format="json", topic="payments"), jsonl_sink("out.jsonl"))
    said = "what scripts keep is in memory only, and begins empty at each start"
    assert job.run("--workers", 2).ok().err.count(said) == 1
    assert said in job.command("check", "job.lua").ok().out
    job.run("--from", "earliest").ok()  # it begins empty, so nothing counts twice
    ns = [json.loads(line)["row"]["n"] for line in (job.folder / "out.jsonl").read_text().splitlines() if json.loads(line)["table"] == "counts"]
    assert max(ns) == 10
    job.write(payments="return { target = 'counts', columns = { account_id = 'account_id', n = 'id' } }")
    assert said not in job.run().ok().err


def test_several_files_are_one_workers(job):
    job.file("a", EVENTS).file("b", EVENTS)
    into_sqlite(job, file_source(["a", "b"], format="json", topic="payments"), SCHEMA, payments=COUNT)
    refused = job.run("--workers", 2)
    assert refused.code == 2 and "--workers 2: files are shared out among workers" in refused.err, refused.err
    job.run("--workers", 1).ok().counts(written=60)
    assert rows(job, "SELECT account_id, n FROM counts ORDER BY account_id") == [{**row, "n": 20} for row in COUNTED]


@pytest.mark.parametrize("format", ["debezium", "json"])
def test_a_topic_keyed_by_other_columns_stops_several_workers_and_not_one(kafka, mariadb, topic, database, job, format):
    def produce(name, key):
        table = Table("payments", key=key, topic=name)
        kafka.produce([table.insert({"id": i, "account_id": i % 3}, partition=partition_of(i)) if format == "debezium" else
                       (name, partition_of(i), json.dumps({column: {"id": i, "account_id": i % 3}[column] for column in key}).encode(),
                        json.dumps({"id": i, "account_id": i % 3}).encode()) for i in range(30)])

        tables = {"payments" if format == "debezium" else name: "scripts/payments.lua"}
        job.write(payments=COUNT).job(kafka_source(kafka, name, format=format, config=CONFIG), tidb_sink(mariadb, database), tables=tables)

    def partition_of(i):
        return i % 2 if "id" in key else i % 3 % 2

    def counts():
        return mariadb.execute("SELECT account_id, n FROM counts ORDER BY account_id", database=database)

    mariadb.execute(SCHEMA, database=database)
    name, key = topic("payments", partitions=2), ("id", "account_id")
    produce(name, key)
    stopped = job.run("--until", "latest", "--workers", 2)
    assert stopped.code == 1, stopped.err
    assert f"stopped at {name}:" in stopped.err and "the message's key has the column id, which is not in key_by of scripts/payments.lua" in stopped.err
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_state", database=database) == 0
    job.run("--until", "latest", "--workers", 1).ok().counts(written=30)
    assert counts() == COUNTED
    name, key = topic("payments_keyed", partitions=2), ("account_id",)
    produce(name, key)
    job.run("--until", "latest", "--workers", 2).ok().counts(written=30)
    assert counts() == [{**row, "n": 20} for row in COUNTED]


EXPIRING = """
return { key_by = { "account_id" }, time = "at", state = { ttl = "1d" }, target = "counts", process = function(row, state)
  state.n = (state.n or 0) + 1
  return { account_id = row.account_id, n = state.n }
end }"""


def test_a_start_reads_no_state_that_it_does_not_need_and_what_is_due_at_once_only_once(job, mariadb, database):
    keys = 6000  # several answers' worth
    events = [json.dumps({"account_id": i, "at": "2024-01-01 00:00:00"}) + "\n" for i in range(keys)]
    later = json.dumps({"account_id": keys, "at": "2024-02-01 00:00:00"}) + "\n"

    def rows_read():  # by whom ever: counting rows reads them
        return int(mariadb.value("SELECT COALESCE(SUM(ROWS_READ), 0) FROM information_schema.INDEX_STATISTICS WHERE TABLE_SCHEMA = %s "
                                 "AND TABLE_NAME = 'streamlua_state'", database))

    def kept():
        return mariadb.value("SELECT COUNT(*) FROM streamlua_state", database=database)

    mariadb.execute("SET GLOBAL userstat = 1")
    mariadb.execute(SCHEMA, database=database)
    job.write(payments=EXPIRING).job(file_source("in", format="json", topic="payments"), tidb_sink(mariadb, database)).file("in", "".join(events))
    job.run().ok().counts(written=keys)
    before = rows_read()
    job.run().ok().counts()
    assert rows_read() - before < keys / 2, "a run without events reads one answer of what is due"
    assert kept() == keys
    before = rows_read()
    job.file("in", "".join(events) + later).run().ok().counts(written=1)
    assert rows_read() - before < 2.5 * keys, "each is read once to fire and once to be deleted"
    assert kept() == 1
