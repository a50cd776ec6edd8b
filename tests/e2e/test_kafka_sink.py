"""Changes into another topic, in order, with where they came from: exactly once where all is within one Kafka, else at least once, and then a
reader can drop what comes twice."""

import json
import random

import pytest

from support import wait_for
from support.debezium import Table
from support.files import flat
from support.job import Job, Lua, file_source, kafka_source, lua
from support.servers import Record


def kafka_sink(topic, **more):
    return Lua(f"sl.sink.kafka {lua({'topic': topic, **more})}")


def identity(record):
    """(topic, partition, offset, part, change) of the message that it was made of."""
    headers = dict(record.headers)
    return (headers["streamlua.topic"].decode(), *(int(headers[f"streamlua.{name}"]) for name in ("partition", "offset", "part", "change")))


def state(records):
    """The rows that a reader of the topic has in the end, by key; what it saw before it drops."""
    seen, rows = set(), {}
    for record in records:
        if identity(record) in seen:
            continue
        seen.add(identity(record))
        change = json.loads(record.value)
        rows.pop(record.key, None)
        if change["op"] == "upsert":
            rows[record.key] = change["row"]
    return rows


@pytest.fixture
def copying(kafka, topic, job):
    """A job from job.topic into job.into, which has several partitions."""
    job.topic, job.into = topic("in", partitions=2), topic("out", partitions=3)
    return job.write(t="return {}").job(kafka_source(kafka, job.topic), kafka_sink(job.into))


def test_what_is_written(copying, kafka):
    table = Table("t", topic=copying.topic)
    sent = kafka.produce(flat([
        table.insert({"id": 2**53 + 1, "v": "é \"x\"", "n": None}, partition=0), table.update({"id": 1, "v": "a"}, {"id": 2, "v": "b"}, partition=0),
        table.delete_with_tombstone({"id": 2, "v": "b"}, partition=0), Record(copying.topic, b"k", b"no json", 0)]))
    result = copying.run("--until", "latest").ok()
    result.counts(written=3, ignored=1, dead_letters=1)
    assert "exactly once for readers" in result.err
    found = sorted(kafka.consume(copying.into), key=identity)
    assert [(r.key.decode(), json.loads(r.value)) for r in found] == [
        ('{"id":9007199254740993}', {"op": "upsert", "table": "t", "row": {"id": 9007199254740993, "v": 'é "x"', "n": None}}),
        ('{"id":1}', {"op": "delete", "table": "t", "row": {"id": 1}}),
        ('{"id":2}', {"op": "upsert", "table": "t", "row": {"id": 2, "v": "b"}}),
        ('{"id":2}', {"op": "delete", "table": "t", "row": {"id": 2}})]
    assert [identity(r) for r in found] == [(copying.topic, 0, offset, 0, change) for offset, change in ((0, 0), (1, 0), (1, 1), (2, 0))]
    assert {(dict(r.headers)["streamlua.job"].decode(), dict(r.headers)["streamlua.script"]) for r in found} == {(copying.name, b"t")}
    [letter] = [json.loads(line) for line in (copying.folder / f"{copying.name}.dead-letters.jsonl").read_text().splitlines()]
    assert (letter["value"], letter["stage"], letter["offset"]) == ("no json", "decode", sent[-1].offset)
    assert sum(o or 0 for o in kafka.committed(f"streamlua-{copying.name}", copying.topic).values()) == 5


def test_it_goes_on_where_it_stopped(copying, kafka):
    table = Table("t", topic=copying.topic)
    for part in range(2):
        kafka.produce([table.insert({"id": part * 100 + i, "v": "x"}) for i in range(100)])
        copying.run("--until", "latest").ok().counts(written=100)
    assert len(kafka.consume(copying.into)) == 200


def test_several_messages_in_one_and_several_changes_of_one(job, kafka, topic):
    out = topic("out")
    job.file("in.jsonl", '[{"id":1,"v":"a"},{"id":2,"v":"b"}]\n')
    job.write(t="return { key = { 'id' }, map = function(row, ctx) ctx:emit('log', { id = row.id }) return { id = row.id, v = row.v } end }")
    job.job(file_source("in.jsonl", "json", topic="shop.t"), kafka_sink(out, brokers=kafka.address)).run().ok()
    found = kafka.consume(out)
    assert sorted(identity(r) for r in found) == [("shop.t", 0, 0, part, change) for part in (0, 1) for change in (0, 1)]
    assert sorted((json.loads(r.value)["table"], json.loads(r.value)["row"]["id"]) for r in found) == [("log", 1), ("log", 2), ("t", 1), ("t", 2)]


def test_what_timers_and_windows_write_tells_them_apart(job, kafka, topic):
    """They come from no message: the key, the clock and when they were due say which one it was."""
    out = topic("out")
    job.file("in.jsonl", "".join(f'{{"id":{i},"at":{1000 * i}}}\n' for i in range(1, 4)))
    job.write(t="""return { key_by = { 'id' }, time = 'at',
      process = function(row, state, ctx) ctx:timer(row.at + 500, 'a') ctx:timer(row.at + 500, 'b') ctx:timer(row.at + 600, 'c') end,
      on_timer = function(state, ctx) ctx:emit('log', { id = ctx.key.id, name = ctx.timer_name }) end }""")
    job.job(file_source("in.jsonl", "json", topic="shop.t"), kafka_sink(out, brokers=kafka.address)).run().ok()
    found = {(headers["streamlua.key"], int(headers["streamlua.at"]), int(headers["streamlua.change"])): json.loads(record.value)["row"]["name"]
             for record in kafka.consume(out) for headers in [dict(record.headers)]
             if (headers["streamlua.offset"], headers["streamlua.timer"]) == (b"-1", b"event")}
    assert found == {(f"[{i}]".encode(), 1000 * i + after, change): name
                     for i in range(1, 4) for after, change, name in ((500, 0, "a"), (500, 1, "b"), (600, 0, "c"))}


def test_each_change_is_there_once_when_it_is_killed_and_the_broker_too(copying, kafka):
    """Progress moves with what the broker has, and not otherwise."""
    table, dice = Table("t", topic=copying.topic), random.Random(7)
    rows, count = {}, 0

    def change():
        id_ = dice.randrange(200)
        old = rows.get(id_)
        new = None if old and dice.random() < 0.2 else {"id": id_, "v": str(dice.random())}
        rows[id_] = new
        if new is None:
            return table.delete(old, partition=id_ % 2)
        return table.update(old, new, partition=id_ % 2) if old else table.insert(new, partition=id_ % 2)

    for kill in (copying.kill, lambda: copying.kill_worker(), lambda: (kafka.kill(), kafka.start()), copying.kill):
        if copying.process is None or copying.process.poll() is not None:
            copying.start(ready=False)
        before = sum(high for _, high in kafka.offsets(copying.into).values())
        kafka.produce([change() for _ in range(3000)])
        count += 3000
        copying.wait_for(lambda: sum(high for _, high in kafka.offsets(copying.into).values()) > before, "some of it")
        kill()
    if copying.process.poll() is None:
        copying.stop()
    copying.run("--until", "latest").ok()
    found = kafka.consume(copying.into)
    assert len(found) == len({identity(r) for r in found}) == count
    by_key = {}
    for record in found:  # all of a key are in one partition
        by_key.setdefault(record.key, []).append(record)
    for records in by_key.values():
        assert [r.offset for r in records] == [r.offset for r in sorted(records, key=lambda r: identity(r)[2])]
    assert state(found) == {f'{{"id":{id_}}}'.encode(): row for id_, row in rows.items() if row}


def test_each_row_of_each_message_is_there_once_while_members_of_the_group_come_and_die(kafka, topic, tmp_path, unique):
    """Two folders are two machines. A transaction ends within a message: of the next, what is done of it is known."""
    source, into, rows, per_round = topic("in", partitions=5), topic("out", partitions=3), 700, 40
    members = [Job(tmp_path / name, unique) for name in "ab"]
    sent = 0

    def send():
        nonlocal sent
        kafka.produce([Record(source, None, json.dumps([{"id": (sent + m) * rows + row} for row in range(rows)]), m % 5) for m in range(per_round)])
        sent += per_round

    def end():
        return sum(high for _, high in kafka.offsets(into).values())

    for member in members:
        config = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}
        member.write(t="return { target = 't', key = { 'id' } }")
        member.job(kafka_source(kafka, source, "json", config=config), kafka_sink(into), {source: "scripts/t.lua"}, memory="16MB")
    a, b = members
    try:
        a.start("--workers", 2)
        for act in (b.start, lambda: a.kill_worker(0), b.kill, b.start, lambda: b.kill_worker(0), a.stop):
            before = end()
            send()
            wait_for(lambda: end() > before, "some of it")
            act()
        b.wait_for(lambda: sum(o or 0 for o in kafka.committed(f"streamlua-{unique}", source).values()) == sent, "all of it")
        assert b.stop().code == 0
    finally:
        for member in members:
            member.close()
    found = kafka.consume(into)
    assert len(found) == len({identity(r) for r in found}) == sent * rows
    assert {json.loads(r.value)["row"]["id"] for r in found} == set(range(sent * rows))


def test_a_broker_that_is_away_is_waited_for(job, kafka, topic):
    into, count = topic("out"), 200_000
    job.file("in.jsonl", "".join(f'{{"id":{i}}}\n' for i in range(count)))
    job.write(t="return { key = { 'id' } }").job(file_source("in.jsonl", "json", topic="t"), kafka_sink(into, brokers=kafka.address))
    job.start(ready=False)
    job.wait_for(lambda: kafka.offsets(into)[0][1] > 0, "the first")
    kafka.freeze()
    job.wait_for(lambda: "kafka sink: " in job.http("/readyz")[1], "the problem")
    worker = job.workers()
    kafka.thaw()
    job.wait_for(job.ready, "/readyz")
    assert job.workers() == worker
    assert job.wait().code == 0
    assert len({identity(r) for r in kafka.consume(into)}) == count


def test_what_is_too_large_is_a_dead_letter(job, kafka, topic):
    out = topic("out")
    job.file("in.jsonl", "".join(json.dumps({"id": i, "v": "x" * (20000 if i == 2 else 10)}) + "\n" for i in range(5)))
    job.write(t="return { key = { 'id' } }").job(file_source("in.jsonl", "json", topic="t"),
                                                kafka_sink(out, brokers=kafka.address, config={"message.max.bytes": 10000}))
    job.run().ok().counts(written=4, dead_letters=1)
    assert {json.loads(r.value)["row"]["id"] for r in kafka.consume(out)} == {0, 1, 3, 4}
    [letter] = [json.loads(line) for line in (job.folder / f"{job.name}.dead-letters.jsonl").read_text().splitlines()]
    assert letter["stage"] == "sink" and "too large" in letter["error"] and letter["offset"] == 2


@pytest.mark.parametrize("more, said", [
    ({"config": {"acks": "many"}}, 'sink: config["acks"]'),
    ({"config": {"no.such": "x"}}, 'sink: config["no.such"]: No such configuration property'),
    ({"brokers": "127.0.0.1:1"}, "sink: the brokers do not answer"),
], ids=["value", "property", "brokers"])
def test_what_is_wrong_with_it_is_said(copying, kafka, more, said):
    copying.job(kafka_source(kafka, copying.topic), kafka_sink(copying.into, **more))
    ended = copying.run("--until", "latest")
    assert ended.code == 2 and said in ended.err, ended.err


def test_a_job_that_would_read_what_it_writes(copying, kafka):
    ended = copying.job(kafka_source(kafka, copying.topic), kafka_sink(copying.topic)).run()
    assert ended.code == 2 and "would read what it writes" in ended.err


def test_dry_run_shows_key_and_value(copying, kafka):
    kafka.produce([Table("t", topic=copying.topic).insert({"id": 1, "v": "x"})])
    result = copying.run("--dry-run", "--until", "latest").ok()
    assert result.out == '{"id":1}\t{"op":"upsert","table":"t","row":{"id":1,"v":"x"}}\n'
    assert kafka.consume(copying.into) == []
