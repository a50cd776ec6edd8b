"""Timers: the oracle walks the same events in Python, and fires what is due before the next event of its key."""

import datetime
import json
import random

import pytest

from support.files import dead_letters, into_either, into_sqlite, rows
from support.job import file_source, jsonl_sink, kafka_source, tidb_sink

EPOCH = datetime.datetime(2024, 1, 1)
SCHEMA = "CREATE TABLE log (id VARCHAR(40) PRIMARY KEY, k INT, n INT, hash INT, about VARCHAR(20))"

# Each key has two timers by name; each change of state leaves a mark in all that follow.
SCRIPT = """
local M = { key_by = { "k" }, time = "at", watermark = { out_of_order = "2s" } }

local function note(state, ctx, id, what)
  state.n = (state.n or 0) + 1
  state.hash = ((state.hash or 0) * 31 + what) % 1000003
  ctx:emit("log", { id = id, k = ctx.op == "timer" and ctx.key.k or state.k, n = state.n, hash = state.hash, about = ctx.timer_name })
end

function M.process(row, state, ctx)
  state.k = row.k
  if row.quiet then ctx:timer(row.time_ms + row.quiet, "quiet") end
  if row.other then ctx:timer(row.time_ms + row.other) end
  if row.cancel then ctx:cancel "quiet" end
  note(state, ctx, "e" .. row.id, row.id)
end

function M.on_timer(state, ctx)
  note(state, ctx, ("t%d-%s-%d"):format(state.k, ctx.timer_name or "", ctx.time), ctx.time % 1000003)
  if not ctx.timer_name and ctx.time % 3 == 0 then
    ctx:timer(ctx.time + 700)                       -- it may be due already
  elseif ctx.timer_name and state.n % 5 == 0 then
    for name in pairs(state) do state[name] = nil end
    state.k = ctx.key.k
  end
end

return M
"""


def text(ms):
    return (EPOCH + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S") + f".{ms % 1000:03}"


BASE = 1704067200000


def stream(count, keys, seed):
    dice = random.Random(seed)
    events, clock = [], None
    for i in range(count):
        at = max(0, i * 50 - dice.randrange(1500) * dice.randrange(2))
        event = {"id": i, "k": dice.randrange(keys), "at": text(at), "time_ms": BASE + at}
        ahead = max(0, (clock or 0) - at)  # beyond the watermark, however late the event is
        if dice.random() < 0.5:
            event["quiet"] = ahead + dice.randrange(1, 4000)
        if dice.random() < 0.3:
            event["other"] = ahead + dice.randrange(1, 9000)
        if dice.random() < 0.1:
            event["cancel"] = True
        clock = max(clock or 0, at)
        events.append(event)
    return events


class Model:
    def __init__(self, out_of_order=2000):
        self.out_of_order, self.clock, self.states, self.timers, self.log = out_of_order, None, {}, {}, {}

    def note(self, k, id, what, about=None):
        state = self.states.setdefault(k, {})
        state["n"] = state.get("n", 0) + 1
        state["hash"] = (state.get("hash", 0) * 31 + what) % 1000003
        self.log[id] = {"id": id, "k": k, "n": state["n"], "hash": state["hash"], "about": about}

    def fire(self, k, until):
        timers = self.timers.setdefault(k, {})
        while timers and min(timers.values()) <= until:
            at = min(timers.values())
            for name in sorted(name for name, when in timers.items() if when == at):
                if timers.get(name) != at:
                    continue
                del timers[name]
                self.note(k, f"t{k}-{name}-{at}", at % 1000003, name or None)
                if not name and at % 3 == 0:
                    timers[""] = at + 700
                elif name and self.states[k]["n"] % 5 == 0:
                    self.states[k] = {}

    def feed(self, event):
        k, at = event["k"], event["time_ms"]
        if self.clock is not None:
            self.fire(k, self.clock - self.out_of_order)
        self.clock = max(self.clock or 0, at)
        timers = self.timers.setdefault(k, {})
        if "quiet" in event:
            timers["quiet"] = at + event["quiet"]
        if "other" in event:
            timers[""] = at + event["other"]
        if "cancel" in event:
            timers.pop("quiet", None)
        self.note(k, f"e{event['id']}", event["id"])

    def end(self):
        for k, timers in self.timers.items():
            self.fire(k, self.clock - self.out_of_order)
            if timers:
                self.fire(k, max(timers.values()))

    def rows(self):
        return sorted(self.log.values(), key=lambda row: row["id"])


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.mark.parametrize("seed", range(3))
def test_timers_fire_in_order_of_time_between_the_events_of_their_key(job, jobs, mariadb, database, seed):
    events = stream(4000, 25, seed)
    model = Model()
    for event in events:
        model.feed(event)
    model.end()
    assert sum(id.startswith("t") for id in model.log) > 700
    job.file("t", lines(events))
    into_sqlite(job, file_source("t", format="json", topic="t"), SCHEMA, t=SCRIPT).run().ok()
    assert rows(job, "SELECT * FROM log ORDER BY id") == model.rows() and dead_letters(job) == []
    if seed == 0:
        mariadb.execute(SCHEMA, database=database)
        other = jobs("mariadb").file("t", lines(events)).write(t=SCRIPT)
        other.job(file_source("t", format="json", topic="t"), tidb_sink(mariadb, database)).run().ok()
        assert sorted(mariadb.execute("SELECT * FROM log", database=database), key=lambda row: row["id"]) == model.rows()


def test_killed_reloaded_and_joined_by_a_second_worker_each_timer_fires_once(kafka, mariadb, topic, database, proxy, job):
    partitions = 4
    mariadb.execute(SCHEMA, database=database)
    name = topic("t", partitions=partitions)
    events = [{**event, "k": event["k"]} for event in stream(16000, 40, seed=7)]
    models = [Model() for _ in range(partitions)]
    for event in events:  # by its partition alone, as the keys of each are its own
        models[event["k"] % partitions].feed(event)
    expected = {id: row for model in models for id, row in model.log.items()}

    def logged():
        return mariadb.value("SELECT COUNT(*) FROM log", database=database)

    proxy.latency(0.01)
    config = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
    # One partition each is what the oracle knows; with several in a worker, timers wait for the slowest.
    script = SCRIPT.replace("local M = {", f'local M = {{ source = "{name}",', 1)
    job.write(t=script).job(kafka_source(kafka, name, format="json", config=config), tidb_sink(mariadb, database, port=proxy.port, lanes=3))
    for i in range(4):
        part = events[i * 4000:(i + 1) * 4000]
        kafka.produce([(name, e["k"] % partitions, json.dumps({"k": e["k"]}).encode(), json.dumps(e).encode()) for e in part])
        job.start("--workers", 1 + i % 2, ready=False)
        enough = 5000 * i + 2000
        job.wait_for(lambda: logged() >= enough, f"{enough} lines of the log")
        if i % 3 == 2:
            job.write(t=script + f"-- {i}\n")
            job.reload()
        elif i % 3 == 1:
            job.kill_worker()
        job.wait_for(lambda: logged() >= enough + 1000, "what follows")
        job.kill()
    job.run("--until", "latest").ok()
    for model in models:
        model.end()
        expected.update(model.log)
    found = {row["id"]: row for row in mariadb.execute("SELECT * FROM log", database=database)}
    assert {id for id in found if id.startswith("e")} == {id for id in expected if id.startswith("e")}
    assert found == expected
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_an_idle_partition_holds_the_others_up_no_longer_than_idle_after(kafka, topic, job, request, into):
    name = topic("t", partitions=3)
    script = (f'local sl = require "streamlua" return {{ source = "{name}", target = "t", key_by = {{ "k" }}, time = "at", emit = "final", '
              'window = sl.tumbling("10s"), watermark = { idle_after = "2s" }, aggregate = { n = sl.count() } }')
    config = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
    found = into_either(job, request, into, kafka_source(kafka, name, format="json", config=config),
                        "CREATE TABLE t (k INT, window_start DATETIME, window_end DATETIME, n INT, PRIMARY KEY (k, window_start))", t=script)
    job.start()

    def bring(partition, at, k=1):
        kafka.produce([(name, partition, b"", json.dumps({"k": k, "at": BASE + at}).encode())])

    bring(0, 1000)
    bring(1, 2000)
    bring(0, 15_000)  # and nothing comes from 1 and 2
    job.wait_for(lambda: found("SELECT n FROM t") == [{"n": 2}], "the window of both partitions' events")
    job.kill()
    job.start()
    bring(1, 3000)  # as late as it would be from another partition, by whoever has it now
    bring(0, 25_000)
    job.wait_for(lambda: len(found("SELECT * FROM t")) == 2, "the next window")
    assert job.stop().code == 0
    assert [row["n"] for row in found("SELECT n FROM t ORDER BY window_start")] == [2, 1]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_a_timer_by_the_clock_fires_once_whoever_is_killed_meanwhile(kafka, topic, job, request, into):
    name, keys = topic("t", partitions=2), range(300)
    script = f'''local M = {{ source = "{name}", key_by = {{ "k" }} }}
      function M.process(row, state, ctx) state.n, state.k = 0, row.k ctx:timer_in("3s", "remind") end
      function M.on_timer(state, ctx)
        state.n = state.n + 1
        ctx:emit("log", {{ id = ("%d-%d"):format(state.k, state.n) }})
      end
      return M'''
    source = kafka_source(kafka, name, format="json", config={"session.timeout.ms": 1500, "heartbeat.interval.ms": 300})
    found = into_either(job, request, into, source, "CREATE TABLE log (id VARCHAR(40) PRIMARY KEY)", t=script)

    def count(table):
        return found(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"]

    job.start()
    kafka.produce([(name, k % 2, json.dumps({"k": k}).encode(), json.dumps({"k": k}).encode()) for k in keys])
    job.wait_for(lambda: count("streamlua_state") == len(keys), "a timer of each key")
    job.kill()
    assert count("log") < len(keys)
    job.start("--workers", 2)
    job.wait_for(lambda: count("log") > 0, "the first of them")
    job.kill_worker()
    job.wait_for(lambda: count("log") >= len(keys), "all of them")
    assert job.stop().code == 0
    assert {row["id"] for row in found("SELECT id FROM log")} == {f"{k}-1" for k in keys}


def test_where_the_sink_keeps_no_state_timers_fire_too(job):
    job.file("in.jsonl", "".join(f'{{"k":{k},"at":{1000 * k}}}\n' for k in range(1, 4)))
    job.write(t="""return { key_by = { "k" }, time = "at",
      process = function(row, state, ctx) ctx:timer(row.at + 500, "a") ctx:timer(row.at + 600, "b") end,
      on_timer = function(state, ctx) ctx:emit("log", { k = ctx.key.k, name = ctx.timer_name }) end }""")
    ended = job.job(file_source("in.jsonl", "json", topic="t"), jsonl_sink()).run(timeout=60).ok()
    fired = [json.loads(line)["row"] for line in ended.out.splitlines()]
    assert sorted((row["k"], row["name"]) for row in fired) == [(k, name) for k in range(1, 4) for name in "ab"]
