"""State keyed by other than the topic's key, with several workers: through a topic of our own, each event once, whatever dies."""

import collections
import json
import os
import random
import signal

import pytest

from support import wait_for
from support.debezium import Table
from support.job import Job, kafka_source, tidb_sink
from support.servers import Record

PARTITIONS = 4
SCHEMA = """
CREATE TABLE payments (id INT PRIMARY KEY, account INT, amount INT);
CREATE TABLE accounts (account INT PRIMARY KEY, n INT, total BIGINT, last_id INT);
CREATE TABLE chained (account INT PRIMARY KEY, n INT, total BIGINT)"""

COPY = "return {}"
BY_ACCOUNT = """
local M = { source = { "payments" }, target = "accounts", key_by = { "account" }%s }
function M.process(row, state, ctx)
  local sign = ctx.op == "delete" and -1 or 1
  state.n, state.total = (state.n or 0) + sign, (state.total or 0) + sign * row.amount
  return { account = row.account, n = state.n, total = state.total, last_id = row.id }
end
return M"""

# A second one for the same table: it keeps nothing itself, and who reads its stream is keyed by the same columns.
MOVES = """
local sl = require "streamlua"
return { source = "payments", target = sl.stream "moves", columns = { who = "account", "amount" }, key_by = { "account" }, repartition = "%s" }"""
CHAINED = """
local sl = require "streamlua"
return { source = sl.stream "moves", target = "chained", key_by = { "who" }, process = function(row, state, ctx)
  local sign = ctx.op == "delete" and -1 or 1
  state.n, state.total = (state.n or 0) + sign, (state.total or 0) + sign * row.amount
  return { account = row.who, n = state.n, total = state.total }
end }"""


class Payments:
    """Payments at random: new ones, some that go, and some that move to another account."""

    def __init__(self, topic, seed, accounts=40):
        self.table, self.dice, self.accounts = Table("payments", topic=topic), random.Random(seed), accounts
        self.rows, self.next, self.last = {}, 0, {}

    def some(self, count):
        return [self._change() for _ in range(count)]

    def _change(self):
        dice = self.dice.random()
        if dice < 0.7 or not self.rows:
            row = {"id": self.next, "account": self.dice.randrange(self.accounts), "amount": self.dice.randrange(1000)}
            self.next += 1
            self.rows[row["id"]] = row
            return self.table.insert(row, partition=row["id"] % PARTITIONS)
        old = self.rows[self.dice.choice(list(self.rows))] if len(self.rows) < 50 else self.rows[self.dice.randrange(self.next - 50, self.next)] \
            if self.rows.keys() >= set(range(self.next - 50, self.next)) else next(iter(self.rows.values()))
        if dice < 0.8:
            del self.rows[old["id"]]
            return self.table.delete(old, partition=old["id"] % PARTITIONS)
        new = {**old, "account": self.dice.randrange(self.accounts)}
        if new == old:
            new = {**old, "account": (old["account"] + 1) % self.accounts}
        self.rows[old["id"]] = new
        return self.table.update(old, new, partition=old["id"] % PARTITIONS)

    def expect_in(self, mariadb, database):
        rows = mariadb.execute("SELECT * FROM payments ORDER BY id", database=database)
        assert rows == [self.rows[id_] for id_ in sorted(self.rows)]
        expected = collections.defaultdict(lambda: [0, 0])
        for row in self.rows.values():
            expected[row["account"]][0] += 1
            expected[row["account"]][1] += row["amount"]
        for table in ("accounts", "chained"):
            found = {row["account"]: [row["n"], int(row["total"])] for row in mariadb.execute(f"SELECT * FROM {table}", database=database)}
            assert {account: sums for account, sums in found.items() if sums != [0, 0]} == dict(expected), table


@pytest.fixture
def payments(kafka, mariadb, topic, database, unique):
    mariadb.execute(SCHEMA, database=database)
    made = Payments(topic("payments", partitions=PARTITIONS), unique)
    made.through, made.chained = f"{unique}-by-account", f"{unique}-chained"
    yield made
    for through in (made.through, made.chained):
        if kafka.partitions(through):
            kafka.delete_topic(through)


def write(job, kafka, mariadb, database, payments, **more):
    job.write(payments=COPY, by_account=BY_ACCOUNT % f', repartition = "{payments.through}"', moves=MOVES % payments.chained, chained=CHAINED)
    return job.job(kafka_source(kafka, payments.table.topic, config={"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}),
                   tidb_sink(mariadb, database, lanes=4), **more)


def test_each_event_counts_once_for_each_script_of_its_table(kafka, mariadb, database, payments, job):
    write(job, kafka, mariadb, database, payments)
    kafka.produce(payments.some(3000))
    result = job.run("--workers", 2, "--until", "latest").ok()
    assert f"topic {payments.through} is made for repartition: {PARTITIONS} partitions" in result.err
    payments.expect_in(mariadb, database)
    kafka.produce(payments.some(3000))  # and from there on
    job.run("--workers", 3, "--until", "latest").ok()
    payments.expect_in(mariadb, database)
    # All of a key are in one partition, and the topic of the source says of each where it was.
    found = kafka.consume(payments.through)
    places = collections.defaultdict(set)
    for record in found:
        places[record.key].add(record.partition)
    assert len(places) == payments.accounts and all(len(partitions) == 1 for partitions in places.values())
    # Once more from the beginning: what had gone through is void.
    mariadb.execute("DELETE FROM payments; DELETE FROM accounts; DELETE FROM chained", database=database)
    job.run("--workers", 2, "--until", "latest", "--from", "earliest", "--reset-state").ok()
    payments.expect_in(mariadb, database)


def kill(job, stage):
    """kill -9 to one of the workers of that stage."""
    pids = [w["pid"] for w in job.http_json("/status")["workers"] if w["stage"] == stage and w["pid"]]
    if pids:
        job._killed.append(pids[0])
        os.kill(pids[0], signal.SIGKILL)


def test_two_machines_count_each_event_once_whoever_dies(kafka, mariadb, database, payments, tmp_path, unique):
    a, b = (Job(tmp_path / name, unique) for name in "ab")
    try:
        for each in (a, b):
            write(each, kafka, mariadb, database, payments)
        a.start("--workers", 2)
        for act in (b.start, lambda: kill(a, ""), lambda: kill(a, "repartition"), b.kill, b.start, lambda: kill(b, "repartition"), a.kill):
            seen = mariadb.value("SELECT COUNT(*) FROM payments", database=database)
            kafka.produce(payments.some(1500))
            wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM payments", database=database) != seen, "some of it")
            act()

        def settled():
            try:
                payments.expect_in(mariadb, database)
                return True
            except AssertionError:
                return False
        b.wait_for(settled, "all of it")

        def topics(stage):
            return {p["topic"] for p in b.http_json("/status")["partitions"] if p["stage"] == stage}
        # The other machine is gone for good, so its partitions come to this one when its session is over.
        b.wait_for(lambda: topics("repartition") == {payments.table.topic}, "the source's topic")
        b.wait_for(lambda: topics("") == {payments.table.topic, payments.through, payments.chained}, "all topics")
        assert b.stop().code == 0
        payments.expect_in(mariadb, database)
    finally:
        for each in (a, b):
            each.close()


def test_messages_of_several_rows_and_rows_without_a_key(kafka, mariadb, topic, database, job, unique):
    mariadb.execute(SCHEMA, database=database)
    source, through = topic("rows", partitions=3), topic("through", partitions=2)
    dice, expected, records = random.Random(unique), collections.Counter(), []
    for number in range(200):
        rows = [{"id": number * 100 + i, "account": dice.randrange(30), "amount": dice.randrange(100)} for i in range(dice.randrange(1, 60))]
        for row in rows:
            expected[row["account"]] += row["amount"]
        if number % 50 == 7:
            expected[rows[-1].pop("account")] -= rows[-1]["amount"]
        records.append(Record(source, None, json.dumps(rows), number % 3))
    kafka.produce(records)
    job.write(by_account=BY_ACCOUNT.replace('source = { "payments" }, ', "") % f', repartition = {{ topic = "{through}" }}')
    job.job(kafka_source(kafka, source, "json"), tidb_sink(mariadb, database), {source: "scripts/by_account.lua"})
    job.run("--workers", 2, "--until", "latest").ok()
    found = mariadb.execute("SELECT account, total FROM accounts", database=database)
    assert {row["account"]: int(row["total"]) for row in found} == expected
    letters = mariadb.execute("SELECT topic, `partition`, `offset`, part, error, value FROM streamlua_dead_letters", database=database)
    assert len(letters) == 4 and {letter["topic"] for letter in letters} == {source}
    assert all("account" in letter["error"] and records[0].topic == source for letter in letters)
    places = {(record.partition, record.offset): record.value for record in records}
    assert all(places[letter["partition"], letter["offset"]] == letter["value"] for letter in letters)


def test_what_failed_behind_the_topic_is_replayed_there(kafka, mariadb, database, payments, job):
    def letters():
        return mariadb.execute("SELECT id FROM streamlua_dead_letters", database=database)

    right = BY_ACCOUNT % f', repartition = "{payments.through}"'
    write(job, kafka, mariadb, database, payments).write(by_account=right.replace("local sign", "if row.amount % 10 == 3 then error 'three' end local sign"))
    kafka.produce(payments.some(400))
    job.run("--workers", 2, "--until", "latest").ok()
    failed = letters()
    assert len(failed) > 1  # about a tenth of them
    job.write(by_account=right)
    assert job.command("dead-letters", "job.lua", "replay", failed[0]["id"]).code == 0  # where no job runs
    assert len(letters()) == len(failed) - 1
    job.start("--workers", 2)
    assert job.command("dead-letters", "job.lua", "replay").code == 0  # by whoever has its partition of the topic
    job.wait_for(lambda: not letters(), "all of them")
    payments.expect_in(mariadb, database)
    assert job.stop().code == 0


def test_what_is_wrong_with_it_is_said(kafka, mariadb, database, payments, job):
    # Without it: what to write.
    write(job, kafka, mariadb, database, payments).write(by_account=BY_ACCOUNT % "")
    (job.folder / "scripts" / "payments.lua").unlink()
    kafka.produce(payments.some(50))
    ended = job.run("--workers", 2, "--until", "latest")
    assert ended.code == 1 and 'say repartition = "a-topic"' in ended.err, ended.err
    # The source would read the topic too.
    job.write(by_account=BY_ACCOUNT % f', repartition = "{payments.table.topic}"')
    ended = job.run("--until", "latest")
    assert ended.code == 2 and "the source's `topics` mean it too" in ended.err, ended.err
    # Two that go through one topic have one table.
    write(job, kafka, mariadb, database, payments).write(other=BY_ACCOUNT % f', repartition = "{payments.through}"')
    ended = job.run("--until", "latest")
    assert ended.code == 2 and f"both serve payments through `repartition` by topic {payments.through}: each needs a topic of its own" in ended.err, ended.err
    # Who begins a chain, and has not all columns of its readers' keys in its own.
    (job.folder / "scripts" / "other.lua").unlink()
    job.write(moves=(MOVES % payments.chained).replace('key_by = { "account" }', 'key_by = { "id" }'))
    ended = job.run("--until", "latest")
    assert ended.code == 2 and "scripts/moves.lua: repartition: its rows come to scripts that keep state, so its key_by has to be columns" in ended.err, ended.err
    job.write(moves=MOVES % payments.chained)
    job.write(other="return { repartition = 'x' }")
    ended = job.run("--until", "latest")
    assert ended.code == 2 and "it is for scripts that keep state" in ended.err, ended.err
    (job.folder / "scripts" / "other.lua").unlink()
    # What it goes through is not changed while it runs.
    job.start()
    job.write(by_account=BY_ACCOUNT % ', repartition = "another"').reload()
    job.wait_for(lambda: "repartition is not what it was: that needs a restart" in job.log(), "the reload's refusal")
    assert job.stop().code == 0
