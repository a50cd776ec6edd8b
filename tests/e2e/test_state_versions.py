"""What scripts keep outlives what they were when they kept it: upgrade makes new state of old, a row at a time, and nothing counts twice
or is lost on the way. The oracle walks the same events in Python."""

import json
import random

import pytest

from support.files import dead_letters_in, into_either, into_sqlite, rows
from support.job import file_source, kafka_source, tidb_sink

COUNT = """
return { key_by = { "k" }, target = "t", process = function(row, state)
  state.n = (state.n or 0) + 1
  return { id = row.id, n = state.n }
end }
"""

# The same numbers, kept another way.
UPGRADED = """
return { key_by = { "k" }, target = "t", state = { version = 2 }, upgrade = function(old, from)
  if from ~= 1 then error("from " .. from) end
  return { counted = { total = old.n } }
end, process = function(row, state)
  state.counted = state.counted or { total = 0 }
  state.counted.total = state.counted.total + 1
  return { id = row.id, n = state.counted.total }
end }
"""

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, n INT)"
STATE = "SELECT `key`, value, version FROM streamlua_state ORDER BY `key`"


def made(count, keys, seed):
    dice = random.Random(seed)
    return [{"id": i, "k": dice.randrange(keys)} for i in range(count)]


def numbers_of(events):
    seen, numbers = {}, []
    for event in events:
        seen[event["k"]] = seen.get(event["k"], 0) + 1
        numbers.append({"id": event["id"], "n": seen[event["k"]]})
    return numbers


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_row_is_upgraded_when_its_key_comes_again(job, mariadb, database, kind):
    source = file_source("in", format="json", topic="events")
    events = made(600, 20, seed=1) + [{"id": 600 + i, "k": i % 7} for i in range(70)]
    into_sqlite(job, source, SCHEMA, events=COUNT).file("in", lines(events[:600]))
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        job.job(source, tidb_sink(mariadb, database))

    def found(sql):
        return rows(job, sql) if kind == "sqlite" else mariadb.execute(sql, database=database)

    job.run().ok().counts(written=600)
    job.write(events=UPGRADED).file("in", lines(events)).command("check", "job.lua").ok()
    job.run().ok().counts(written=70)
    assert found("SELECT id, n FROM t ORDER BY id") == numbers_of(events)
    for row in found(STATE):
        [key] = json.loads(row["key"])
        assert row["version"] == (2 if key < 7 else 1)
        assert ("counted" in json.loads(row["value"])) == (key < 7), row
    # The older script does not know what it would read.
    job.write(events=COUNT).file("in", lines(events + [{"id": 999, "k": 1}]))
    kept = found(STATE)
    for refused in job.command("check", "job.lua"), job.run():
        assert refused.code == 2 and "scripts/events.lua: state: streamlua_state has rows of version 2" in refused.err, refused.err
    assert found(STATE) == kept


def test_an_upgrade_is_taken_over_while_it_runs_and_survives_a_kill_in_the_middle(kafka, mariadb, topic, database, proxy, job):
    partitions = 3
    mariadb.execute(SCHEMA, database=database)
    name = topic("events", partitions=partitions)
    events = made(12000, 300, seed=2)

    def produce(some):
        kafka.produce([(name, e["k"] % partitions, json.dumps({"k": e["k"]}).encode(), json.dumps(e).encode()) for e in some])

    def written():
        return mariadb.value("SELECT COUNT(*) FROM t", database=database)

    proxy.latency(0.01)  # so that there is always something on its way
    job.write(**{name: COUNT}).job(kafka_source(kafka, name, format="json"), tidb_sink(mariadb, database, port=proxy.port, lanes=3))
    produce(events[:4000])
    job.start()
    job.wait_for(lambda: written() > 1000, "the first rows")
    job.write(**{name: UPGRADED}).reload()
    produce(events[4000:8000])
    job.wait_for(lambda: written() > 5000, "rows of the upgraded script")
    job.kill()
    produce(events[8000:])
    job.start()
    job.wait_for(lambda: written() > 9000, "rows of the second run")
    # A version without upgrade is refused; so is one that goes back, also before any of its rows is in the table.
    job.write(**{name: COUNT.replace("target", "state = { version = 3 }, target")}).reload()
    job.wait_for(lambda: "state: version 3 needs a function upgrade(state, from)" in job.log(), "the refusal")
    job.write(**{name: COUNT}).reload()
    job.wait_for(lambda: job.http_json("/status")["reloads"]["rejected"] == 2, "the other refusal")
    job.wait_for(lambda: written() == len(events), "all rows")
    assert job.stop().code == 0
    assert mariadb.execute("SELECT id, n FROM t ORDER BY id", database=database) == numbers_of(events)
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_state WHERE version = 2", database=database) > 100


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_a_fault_in_upgrade_is_a_dead_letter_and_the_row_stays(job, request, into):
    events = [{"id": i, "k": "ab"[i % 2]} for i in range(10)]
    found = into_either(job, request, into, file_source("in", format="json", topic="events"), SCHEMA, events=COUNT)
    job.file("in", lines(events)).run().ok()
    faulty = UPGRADED.replace("if from", "if old.n == 5 and broken then return 7 end if from").replace("return {", "local broken = true return {", 1)
    job.write(events=faulty).file("in", lines(events + [{"id": 10, "k": "a"}, {"id": 11, "k": "b"}])).run().ok().counts(dead_letters=2)
    [one, other] = dead_letters_in(found)
    assert "upgrade returned a number" in one["error"] and '["a"]' in one["error"] and '["b"]' in other["error"]
    assert [(row["value"], row["version"]) for row in found(STATE)] == [('{"n":5}', 1)] * 2
    job.write(events=UPGRADED).command("dead-letters", "job.lua", "replay").ok()
    assert found("SELECT id, n FROM t ORDER BY id") == numbers_of(events + [{"id": 10, "k": "a"}, {"id": 11, "k": "b"}])


def test_a_row_of_a_newer_version_stops_the_job_and_stays(kafka, mariadb, topic, database, job):
    """Somebody else's newer job, or a table that was restored: nothing is written over it, no event is lost."""
    mariadb.execute(SCHEMA, database=database)
    name = topic("events")
    kafka.produce([(name, 0, None, json.dumps({"id": 1, "k": 1}).encode())])
    job.write(**{name: UPGRADED}).job(kafka_source(kafka, name, format="json"), tidb_sink(mariadb, database)).start()
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) == 1, "the first row")
    mariadb.execute("INSERT INTO streamlua_state (job, script, map, `key`, value, version, topic, `partition`) "
                    f"VALUES ('{job.name}', '{name}', '', '[2]', '{{\"future\":1}}', 3, '{name}', 0)", database=database)
    kafka.produce([(name, 0, None, json.dumps({"id": 2, "k": 2}).encode())])
    ended = job.wait()
    assert ended.code == 1 and f"stopped at {name}:0 offset 1" in ended.err and "written by version 3, and the script has version 2" in ended.err, ended.err
    assert mariadb.execute(STATE, database=database)[1] == {"key": "[2]", "value": '{"future":1}', "version": 3}
    mariadb.execute("DELETE FROM streamlua_state WHERE `key` = '[2]'", database=database)
    job.start()
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM t", database=database) == 2, "the event that it stopped at")
    assert job.stop().code == 0


def test_a_version_without_upgrade_is_refused_at_check_and_reload(job):
    into_sqlite(job, file_source("in", format="json", topic="events"), SCHEMA, events=COUNT).file("in", lines(made(10, 2, seed=3))).run().ok()
    job.write(events=COUNT.replace("target", "state = { version = 2 }, target"))
    for refused in job.command("check", "job.lua"), job.run():
        assert refused.code == 2 and ":2: state: version 2 needs a function upgrade(state, from)" in refused.err, refused.err
