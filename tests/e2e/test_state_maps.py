"""ctx:map: collections of a key, a row of streamlua_state an entry, which are one with the state and the rows that an event wrote. The oracle
walks the same events in Python."""

import json
import random

import pytest

from support.files import dead_letters, dead_letters_in, into_either, into_sqlite, rows
from support.job import file_source, kafka_source, tidb_sink

# What an account has bought, how often, and in which order: some of it is read, some only written, some taken back.
SHOP = """
local M = { key_by = { "account" }, target = "t" }

function M.process(row, state, ctx)
  local bought, last = ctx:map "bought", ctx:map "last"
  state.n = (state.n or 0) + 1
  if row.id % 5 == 0 then
    return { id = row.id, n = state.n, times = -1 }      -- comes to no map
  end
  local ok, times = pcall(function() return (bought[row.item] or 0) + 1 end)
  ctx:emit("log", { id = row.id, n = state.n })
  bought[row.item] = times < 4 and times or nil
  last[row.id % 3] = { id = row.id, items = { row.item, bought[row.item] } }
  if row.id % 7 == 0 then
    local before = last[(row.id + 1) % 3]
    times = times + 100 * (before and #before.items or 0)
  end
  return { id = row.id, n = state.n, times = times }
end

return M
"""

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, n INT, times INT); CREATE TABLE log (id INT PRIMARY KEY, n INT)"
ITEMS = [1, 2, "1", "a b", "ü\"\\", 0.5, -3]


def bought(count, accounts, seed):
    dice = random.Random(seed)
    return [{"id": i, "account": dice.randrange(accounts), "item": dice.choice(ITEMS)} for i in range(count)]


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def walk(events):
    """The rows of t, of log, and what is kept: by map, key and entry."""
    ns, maps, made, log = {}, {}, [], []
    for event in events:
        account, item, at = event["account"], event["item"], event["id"]
        ns[account] = n = ns.get(account, 0) + 1
        if at % 5 == 0:
            made.append({"id": at, "n": n, "times": -1})
            continue
        place = ("bought", account, repr(item))
        times = maps.get(place, (item, 0))[1] + 1
        maps.pop(place, None)
        if times < 4:
            maps[place] = (item, times)
        maps["last", account, repr(at % 3)] = (at % 3, {"id": at, "items": [item] + ([times] if times < 4 else [])})
        if at % 7 == 0:
            before = maps.get(("last", account, repr((at + 1) % 3)))
            times += 100 * (len(before[1]["items"]) if before else 0)
        made.append({"id": at, "n": n, "times": times})
        log.append({"id": at, "n": n})
    kept = {(name, account, repr(key)): value for (name, account, _), (key, value) in maps.items()}
    return made, log, {**kept, **{("", account, ""): {"n": n} for account, n in ns.items()}}


def kept(found):
    made = {}
    for row in found:
        key = json.loads(row["key"])
        made[row["map"], key[0], repr(key[1]) if row["map"] else ""] = json.loads(row["value"])
        assert len(key) == (2 if row["map"] else 1), row
    return made


ROWS, LOG, STATE = "SELECT * FROM t ORDER BY id", "SELECT * FROM log ORDER BY id", "SELECT map, `key`, value FROM streamlua_state"


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_entries_are_rows_that_go_with_the_state(job, mariadb, database, kind):
    source = file_source("in", format="json", topic="shop")
    events = bought(6000, 30, seed=1)
    into_sqlite(job, source, SCHEMA, shop=SHOP).file("in", lines(events[:3000]))
    if kind == "mariadb":
        for statement in SCHEMA.split(";"):
            mariadb.execute(statement, database=database)
        job.job(source, tidb_sink(mariadb, database))

    def found(sql):
        return rows(job, sql) if kind == "sqlite" else mariadb.execute(sql, database=database)

    for until in (3000, 6000):
        job.file("in", lines(events[:until])).run().ok().counts(written=3000)
        made, log, state = walk(events[:until])
        assert found(ROWS) == made and found(LOG) == log
        assert kept(found(STATE)) == state
    shown = [json.loads(line) for line in job.command("state", "job.lua", "shop", 7).ok().out.splitlines()]
    assert kept([{"map": row["map"], "key": json.dumps(row["key"]), "value": json.dumps(row["value"])} for row in shown]) == {
        place: value for place, value in state.items() if place[1] == 7}
    # With the state of a key go the entries of its maps.
    assert job.command("state", "job.lua", "shop", 7, "--delete").ok().out == f"deleted {len(shown)}\n"
    assert kept(found(STATE)) == {place: value for place, value in state.items() if place[1] != 7}


@pytest.mark.parametrize("memory", ["256MB", "16MB"])
def test_killed_and_reloaded_in_the_middle_each_event_counts_once(kafka, mariadb, topic, database, proxy, job, memory):
    partitions = 4
    for statement in SCHEMA.split(";"):
        mariadb.execute(statement, database=database)
    name = topic("shop", partitions=partitions)
    events = bought(12000, 200, seed=2)

    def written():
        return mariadb.value("SELECT COUNT(*) FROM t", database=database)

    proxy.latency(0.005)  # so that there is always something on its way, and answers take their time
    job.write(**{name: SHOP}).job(kafka_source(kafka, name, format="json", config={"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}),
                                  tidb_sink(mariadb, database, port=proxy.port, lanes=3), memory=memory)
    for i in range(3):
        kafka.produce([(name, e["account"] % partitions, json.dumps({"account": e["account"]}).encode(), json.dumps(e).encode())
                       for e in events[4000 * i:4000 * (i + 1)]])
        job.start("--workers", 1 + i % 2, ready=False)
        job.wait_for(lambda: written() > 4000 * i + 1000, "some rows")
        if i == 1:
            job.kill_worker()
        else:
            job.write(**{name: SHOP + f"-- {i}\n"}).reload()
        job.wait_for(lambda: written() > 4000 * i + 2500, "what follows")
        job.kill()
    job.start("--workers", 2)
    job.wait_for(lambda: written() == len(events), "all rows")
    assert job.stop().code == 0
    made, log, state = walk(events)
    assert mariadb.execute(ROWS, database=database) == made
    assert mariadb.execute(LOG, database=database) == log
    assert kept(mariadb.execute(STATE, database=database)) == state
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_a_refused_row_takes_its_entries_back_and_those_behind_it_do_not_see_them(job, request, into):
    events = bought(1500, 6, seed=3)
    script = SHOP.replace('ctx:emit("log", { id = row.id, n = state.n })', 'ctx:emit("log", { id = row.id, n = row.id % 11 == 3 and "no number" or state.n })')
    assert script != SHOP
    schema = SCHEMA.replace("log (id INT PRIMARY KEY, n INT", "log (id INT PRIMARY KEY, n INT CHECK (typeof(n) = 'integer')") if into == "sqlite" else SCHEMA
    found = into_either(job, request, into, file_source("in", format="json", topic="shop"), schema, shop=script)
    refused = [event["id"] for event in events if event["id"] % 11 == 3 and event["id"] % 5]
    job.file("in", lines(events)).run().ok().counts(written=len(events) - len(refused), dead_letters=len(refused))
    made, log, state = walk([event for event in events if event["id"] not in refused])
    assert found(ROWS) == made and found(LOG) == log and kept(found(STATE)) == state
    assert [letter["offset"] for letter in dead_letters_in(found)] == refused


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_an_older_version_s_entries_are_upgraded_as_they_are_read(job, request, into):
    plain = "return { key_by = { 'account' }, target = 't', process = function(row, state, ctx)\n" \
            "  local seen = ctx:map 'seen' seen[row.item] = (seen[row.item] or 0) + 1\n  return { id = row.id, times = seen[row.item] }\nend }"
    tables = "return { key_by = { 'account' }, target = 't', state = { version = 2 }, upgrade = function(old, from, map)\n" \
             "  assert(map == 'seen' and from == 1) return { times = old }\nend, process = function(row, state, ctx)\n" \
             "  local seen = ctx:map 'seen' local of = seen[row.item] or { times = 0 }\n  of.times = of.times + 1 seen[row.item] = of\n" \
             "  return { id = row.id, times = of.times }\nend }"
    events = [{"id": i, "account": 1, "item": "abc"[i % 3]} for i in range(30)] + [{"id": 30, "account": 1, "item": "a"}]
    found = into_either(job, request, into, file_source("in", format="json", topic="shop"), SCHEMA, shop=plain)
    job.file("in", lines(events[:30])).run().ok()
    job.write(shop=tables).file("in", lines(events)).run().ok()
    assert found("SELECT times FROM t WHERE id = 30") == [{"times": 11}]
    assert [(row["key"], row["value"], row["version"]) for row in found("SELECT * FROM streamlua_state ORDER BY `key`")] == [
        ('[1,"a"]', '{"times":11}', 2), ('[1,"b"]', "10", 1), ('[1,"c"]', "10", 1)]


EXPIRING = """
local M = { key_by = { "k" }, target = "t", time = "at", state = { ttl = "1h" } }

function M.process(row, state, ctx)
  local seen = ctx:map "seen"
  local times = (seen[row.item] or 0) + 1
  seen[row.item] = times
  return { id = row.id, times = times }
end

function M.on_timer() end

return M
"""


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_an_entry_expires_by_itself_and_its_row_goes_though_its_key_never_comes_again(job, mariadb, database, kind):
    source = file_source("in", format="json", topic="shop")
    dice = random.Random(4)
    events = [{"id": i, "k": dice.randrange(20), "item": dice.randrange(5), "at": f"2024-01-01 {i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}"} for i in range(0, 20000, 7)]
    into_sqlite(job, source, SCHEMA, shop=EXPIRING)
    if kind == "mariadb":
        mariadb.execute(SCHEMA.split(";")[0], database=database)
        job.job(source, tidb_sink(mariadb, database))

    def found(sql):
        return rows(job, sql) if kind == "sqlite" else mariadb.execute(sql, database=database)

    job.file("in", lines(events)).run().ok().counts(written=len(events))
    seen, made = {}, []
    for event in events:
        at, times = seen.get((event["k"], event["item"]), (-3600, 0))
        times = times + 1 if event["id"] < at + 3600 else 1
        seen[event["k"], event["item"]] = (event["id"], times)
        made.append({"id": event["id"], "times": times})
    assert found("SELECT id, times FROM t ORDER BY id") == made
    # An event of another key three hours later moves the watermark past all of them, and half a day later past its own row.
    assert len(found("SELECT * FROM streamlua_state WHERE map = 'seen'")) == len(seen)
    more = [{"id": 30000, "k": 99, "item": 1, "at": "2024-01-01 09:00:00"}, {"id": 30001, "k": 98, "item": 1, "at": "2024-01-01 21:00:00"}]
    job.file("in", lines(events + more)).run().ok()
    assert [row["key"] for row in found("SELECT `key` FROM streamlua_state WHERE map = 'seen'")] == ["[98,1]"]
    assert found("SELECT COUNT(*) AS n FROM streamlua_dead_letters") == [{"n": 0}]


def test_a_timer_comes_to_entries_that_are_not_at_hand(kafka, topic, job):
    """Its key's events are of a worker that is gone, and nobody has read a row of it since."""
    name = topic("shop")
    script = """local M = { key_by = { "k" }, time = "at" }
    function M.process(row, state, ctx)
      local seen = ctx:map "seen"
      seen[row.item] = (seen[row.item] or 0) + 1
      state.items = state.items or {}
      state.items[#state.items + 1] = row.item
      ctx:timer(row.at + 60000)
    end
    function M.on_timer(state, ctx)
      local seen, sum = ctx:map "seen", 0
      for _, item in ipairs(state.items or {}) do
        sum, seen[item] = sum + (seen[item] or 0), nil
      end
      ctx:emit("log", { id = ctx.key.k, n = sum })
      state.items = nil
    end
    return M"""
    into_sqlite(job, kafka_source(kafka, name, format="json"), SCHEMA, **{name: script})

    def produce(*events):
        kafka.produce([(name, 0, None, json.dumps(event).encode()) for event in events])

    dice = random.Random(5)
    events = [{"k": dice.randrange(300), "item": dice.randrange(6), "at": 1000 + i} for i in range(3000)]
    produce(*events)
    job.start()
    job.wait_for(lambda: sum(value for place, value in kept(rows(job, STATE)).items() if place[0] == "seen") == 3000, "all events")
    assert job.stop().code == 0
    job.start()
    # An event of a key comes in the middle of those that are due.
    produce({"k": 1000, "item": 1, "at": 100_000}, {"k": events[0]["k"], "item": 1, "at": 100_001})
    job.wait_for(lambda: len(rows(job, LOG)) == len({event["k"] for event in events}), "a line for each key")
    assert job.stop().code == 0
    assert rows(job, LOG) == [{"id": key, "n": sum(event["k"] == key for event in events)} for key in sorted({event["k"] for event in events})]
    assert {place: value for place, value in kept(rows(job, STATE)).items() if place[0] == "seen"} == {
        ("seen", 1000, "1"): 1, ("seen", events[0]["k"], "1"): 1}
    assert dead_letters(job) == []
