"""Windows over event time: random streams, out of order, against what Python makes of the same events by counting them anew."""

import collections
import datetime
import decimal
import json
import random

import pytest

from support import prometheus
from support.debezium import DECIMAL, Table
from support.files import dead_letters, dead_letters_in, into_either, into_sqlite, rows, sqlite_sink, tab_lines
from support.job import file_source, kafka_source, tidb_sink

D = decimal.Decimal
EPOCH = datetime.datetime(2024, 1, 1)

# The page's example, as it stands there.
VIEWS = """
local sl = require "streamlua"

return {
  key_by    = { "page" },
  time      = "viewed_at",
  window    = sl.tumbling("1m", { out_of_order = "10s" }),   -- hopping("5m", "1m"), session("30m")
  aggregate = { views = sl.count(), seconds = sl.sum "dwell" },
  emit      = "changes",                                      -- or "final"
  target    = "views_per_minute",
  columns   = { page = "page", minute = "window_start", views = "views", seconds = "seconds" },
}
"""
VIEWS_TABLE = "CREATE TABLE views_per_minute (page VARCHAR(20), minute DATETIME, views INT, seconds DECIMAL(20,2), PRIMARY KEY (page, minute))"

ALL = """
local sl = require "streamlua"
return {
  key_by = { "page" }, time = "at", target = "t", window = %s,
  aggregate = { n = sl.count(), some = sl.count "v", total = sl.sum "v", least = sl.min "v", most = sl.max "v", mean = sl.avg "v",
                first = sl.first "id", last = sl.last "id", kinds = sl.count_distinct "kind" },
}
"""
ALL_TABLE = ("CREATE TABLE t (page VARCHAR(20), window_start VARCHAR(30), window_end VARCHAR(30), n INT, some INT, total VARCHAR(40), least VARCHAR(40), most VARCHAR(40), mean REAL, "
             "first INT, last INT, kinds INT, PRIMARY KEY (page, window_start))")


def text(ms):
    return (EPOCH + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S") + (f".{ms % 1000:03}" if ms % 1000 else "")


def stream(count, seed, pages=4, jitter=40_000):
    """Events whose times go forward on the whole and back by up to `jitter`."""
    dice = random.Random(seed)
    events = []
    for i in range(count):
        at = max(0, i * 900 - dice.randrange(jitter) * dice.randrange(2))
        events.append({"id": i, "page": f"/{dice.randrange(pages)}", "at": at, "v": dice.choice([None, 1, 2.5, 0.1, -3, 1e6, 12345.67]), "kind": dice.choice("abc")})
    return events


def lines(events):
    return "".join(json.dumps({**event, "at": text(event["at"])}) + "\n" for event in events)


def panes_of(events, size, hop, out_of_order):
    """(page, start) -> events; those that came after its end are not in it."""
    panes, clock = collections.defaultdict(list), None
    for event in events:
        watermark = -1 if clock is None else clock - out_of_order
        clock = event["at"] if clock is None else max(clock, event["at"])
        start = event["at"] // hop * hop
        while start + size > event["at"]:
            if start + size > watermark:
                panes[event["page"], start].append(event)
            start -= hop
    return panes


def expect_panes(found, panes, size):
    assert {(row["page"], row["window_start"]) for row in found} == {(page, text(start)) for page, start in panes}
    by_key = {(row["page"], row["window_start"]): row for row in found}
    for (page, start), events in panes.items():
        row = by_key[page, text(start)]
        values = [D(repr(event["v"])) for event in events if event["v"] is not None]
        expected = {"n": len(events), "some": len(values), "kinds": len({event["kind"] for event in events}),
                    "first": min(events, key=lambda e: (e["at"], events.index(e)))["id"],
                    "last": max(events, key=lambda e: (e["at"], events.index(e)))["id"]}
        assert {name: row[name] for name in expected} == expected, (page, start)
        assert row["window_end"] == text(start + size)
        if values:
            assert D(row["total"]) == sum(values) and D(row["least"]) == min(values) and D(row["most"]) == max(values)
            assert float(row["mean"]) == pytest.approx(float(sum(values) / len(values)))
        else:
            assert row["total"] is row["least"] is row["most"] is row["mean"] is None


BOTH = [("sqlite", seed) for seed in range(4)] + [("mariadb", 0)]


@pytest.mark.parametrize("into, seed", BOTH)
@pytest.mark.parametrize("window, size, hop, out_of_order", [
    ('sl.tumbling("1m", { out_of_order = "10s" })', 60_000, 60_000, 10_000), ('sl.tumbling("10s")', 10_000, 10_000, 0),
    ('sl.hopping("1m", "15s", { out_of_order = "20s" })', 60_000, 15_000, 20_000)], ids=["1m", "10s", "1m of 15s"])
def test_every_pane_is_what_its_events_make(job, request, window, size, hop, out_of_order, into, seed):
    events = stream(600, seed)
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), ALL_TABLE, t=ALL % window)
    job.file("in", lines(events)).run().ok()
    assert dead_letters_in(found) == []
    expect_panes(found("SELECT * FROM t"), panes_of(events, size, hop, out_of_order), size)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("window, size, hop, out_of_order", [
    ('sl.tumbling("1m", { out_of_order = "10s" })', 60_000, 60_000, 10_000), ('sl.tumbling("10s")', 10_000, 10_000, 0),
    ('sl.hopping("1m", "15s", { out_of_order = "20s" })', 60_000, 15_000, 20_000)], ids=["1m", "10s", "1m of 15s"])
def test_a_final_window_is_written_once_with_all_that_came_before_it_closed(job, window, size, hop, out_of_order, seed):
    events = stream(2500, seed)
    job.write(t=FINAL % window).file("in", lines(events))
    job.file("job.lua", JSONL_JOB).run().ok()
    written = [json.loads(line, parse_float=str) for line in (job.folder / "out.jsonl").read_text().splitlines()]
    panes = panes_of(events, size, hop, out_of_order)
    assert sorted((line["row"]["page"], line["row"]["window_start"]) for line in written) == sorted((page, text(start)) for page, start in panes)
    nulls = dict.fromkeys(["total", "least", "most", "mean"])  # a column that has none is not in the line
    expect_panes([{**nulls, **line["row"]} for line in written], panes, size)
    assert {line["op"] for line in written} == {"upsert"}


FINAL = ALL.replace("return {", 'return { emit = "final",', 1)
JSONL_JOB = ('local sl = require "streamlua" return sl.job { name = "j", source = sl.source.file { path = "in", format = "json", topic = "t" }, '
             'sink = sl.sink.jsonl { path = "out.jsonl" } }')


def test_at_the_end_of_the_input_the_windows_of_all_keys_are_written(job):
    """More keys than are looked at in one go."""
    pages = [f"/{i}" for i in range(3500)]
    job.write(t=FINAL % 'sl.tumbling("1m")').file("in", lines([{"id": i, "page": page, "at": 1000 + i, "dwell": 1} for i, page in enumerate(pages)]))
    job.file("job.lua", JSONL_JOB).run().ok()
    written = [json.loads(line)["row"]["page"] for line in (job.folder / "out.jsonl").read_text().splitlines()]
    assert sorted(written) == sorted(pages)


@pytest.mark.parametrize("emit", ["changes", "final"])
@pytest.mark.parametrize("into, seed", BOTH[1:])
def test_events_that_follow_each_other_within_the_gap_are_one_session(job, request, into, seed, emit):
    gap = 5000
    events = stream(500, seed, pages=12, jitter=20_000)
    script = ALL.replace("return {", f'return {{ emit = "{emit}",', 1) % 'sl.session("5s", { out_of_order = "20s" })'
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), ALL_TABLE, t=script)
    job.file("in", lines(events)).run().ok()
    expected = set()
    for page in {event["page"] for event in events}:
        times = sorted(event["at"] for event in events if event["page"] == page)
        sessions = [[times[0], times[0], 0]]
        for at in times:
            if at > sessions[-1][1] + gap:
                sessions.append([at, at, 0])
            sessions[-1][1], sessions[-1][2] = at, sessions[-1][2] + 1
        expected |= {(page, text(first), text(last + gap), n) for first, last, n in sessions}
    assert {(row["page"], row["window_start"], row["window_end"], row["n"]) for row in found("SELECT * FROM t")} == expected
    assert dead_letters_in(found) == []


@pytest.mark.parametrize("kind", ["tumbling", "session"])
def test_final_windows_of_a_file_that_grows_are_in_the_end_those_of_the_whole(job, kind):
    """Each run ends, and closes what is open; the next one goes on with it."""
    events = stream(1500, 11)
    window = {"tumbling": 'sl.tumbling("10m", { out_of_order = "1m" })', "session": 'sl.session("5s", { out_of_order = "60s" })'}[kind]
    into_sqlite(job, file_source("in", format="json", topic="t"), ALL_TABLE, t=FINAL % window)
    for upto in (3, 400, 401, 900, 1500):
        job.file("in", lines(events[:upto])).run().ok()
    grown = rows(job, "SELECT * FROM t ORDER BY page, window_start")
    (job.folder / "out.db").unlink()
    into_sqlite(job, file_source("in", format="json", topic="t"), ALL_TABLE, t=FINAL % window).run().ok()
    assert rows(job, "SELECT * FROM t ORDER BY page, window_start") == grown and dead_letters(job) == []


def test_views_per_minute_are_the_same_on_both_databases_killed_in_the_middle(kafka, mariadb, topic, database, job, jobs):
    dice = random.Random(9)
    views = [{"page": f"/{dice.randrange(30)}", "at": i * 40 - dice.randrange(9000) * dice.randrange(2), "dwell": dice.randrange(1, 100_000) / 100} for i in range(8000)]
    views = [{**view, "at": max(0, view["at"])} for view in views]
    name = topic("views", partitions=1)
    kafka.produce([(name, 0, view["page"].encode(), json.dumps({"page": view["page"], "viewed_at": text(view["at"]), "dwell": view["dwell"]}).encode()) for view in views])
    expected = {(page, EPOCH + datetime.timedelta(milliseconds=start)): (len(seen), sum(D(repr(v["dwell"])) for v in seen))
                for (page, start), seen in panes_of(views, 60_000, 60_000, 10_000).items()}
    mariadb.execute(VIEWS_TABLE, database=database)
    script = VIEWS.replace("return {", f'return {{ source = "{name}",', 1)
    job.write(views=script).job(kafka_source(kafka, name, format="json"), tidb_sink(mariadb, database))

    def counted():
        return mariadb.value("SELECT COALESCE(SUM(views), 0) FROM views_per_minute", database=database)

    for enough in (500, 3000):
        job.start(ready=False)
        job.wait_for(lambda: counted() >= enough, "some views")
        job.kill()
    job.run("--until", "latest").ok()
    found = mariadb.execute("SELECT * FROM views_per_minute", database=database)
    assert {(row["page"], row["minute"]): (row["views"], row["seconds"]) for row in found} == expected
    other = jobs("sqlite").write(views=script)
    from support.files import sqlite
    sqlite(other.folder / "out.db", VIEWS_TABLE + ";")
    other.job(kafka_source(kafka, name, format="json"), sqlite_sink("out.db")).run("--until", "latest").ok()
    assert {(row["page"], row["minute"]): row["views"] for row in rows(other, "SELECT * FROM views_per_minute")} == \
        {(page, str(minute)): n for (page, minute), (n, _) in expected.items()}


def test_a_final_window_is_written_once_whoever_is_killed_reloaded_or_joins(kafka, mariadb, topic, database, proxy, job):
    partitions = 3
    mariadb.execute("CREATE TABLE t (page VARCHAR(20), window_start DATETIME(3), window_end DATETIME(3), n INT, again INT NOT NULL DEFAULT 0, "
                    "PRIMARY KEY (page, window_start)); "
                    "CREATE TRIGGER again BEFORE UPDATE ON t FOR EACH ROW SET NEW.again = OLD.again + 1", database=database)
    name, events = topic("t", partitions=partitions), stream(9000, 3, pages=30, jitter=9000)
    script = (f'local sl = require "streamlua" return {{ source = "{name}", target = "t", key_by = {{ "page" }}, time = "at", emit = "final", '
              'window = sl.tumbling("1m", { out_of_order = "9s" }), aggregate = { n = sl.count() } }')
    config = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
    proxy.latency(0.01)
    job.write(t=script).job(kafka_source(kafka, name, format="json", config=config), tidb_sink(mariadb, database, port=proxy.port, lanes=3))

    def written():
        return mariadb.value("SELECT COUNT(*) FROM t", database=database)

    for i in range(3):
        kafka.produce([(name, int(e["page"][1:]) % partitions, json.dumps({"page": e["page"]}).encode(),
                        json.dumps({"page": e["page"], "at": text(e["at"])}).encode()) for e in events[i * 3000:(i + 1) * 3000]])
        job.start("--workers", 1 + i % 2, ready=False)
        job.wait_for(lambda: written() >= 1200 * i + 300, "some windows")
        if i == 0:
            job.write(t=script + " -- the same").reload()
        elif i == 1:
            job.kill_worker()
        job.wait_for(lambda: written() >= 1200 * i + 700, "more windows")
        job.kill()
    job.run("--until", "latest").ok()
    panes = panes_of(events, 60_000, 60_000, 9000)
    found = mariadb.execute("SELECT * FROM t", database=database)
    assert {(row["page"], row["window_start"]): row["n"] for row in found} == \
        {(page, EPOCH + datetime.timedelta(milliseconds=start)): len(seen) for (page, start), seen in panes.items()}
    assert {row["again"] for row in found} == {0}
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
@pytest.mark.parametrize("on_ahead, dead, panes", [("count", 0, [1, 2, 1]), ("dead-letter", 1, [1, 2])])
def test_late_events_and_times_far_ahead_are_counted(kafka, topic, job, request, on_ahead, dead, panes, into):
    name = topic("t", partitions=1)
    choice = f'on_ahead = "{on_ahead}"' if dead else ""
    script = f'''local sl = require "streamlua" return {{ source = "{name}", target = "t", key_by = {{ "page" }}, time = "at", window = sl.tumbling("1m"),
      watermark = {{ ahead = "1h", {choice} }}, aggregate = {{ n = sl.count() }} }}'''
    found = into_either(job, request, into, kafka_source(kafka, name, format="json"),
                        "CREATE TABLE t (page VARCHAR(20), window_start DATETIME(3), window_end DATETIME(3), n INT, PRIMARY KEY (page, window_start))", t=script)
    job.start()
    times = ["2024-01-01 00:00:01", "2999-01-01 00:00:00", "2024-01-01 00:02:00", "2024-01-01 00:00:02", "2024-01-01 00:02:01"]
    kafka.produce([(name, 0, b"", json.dumps({"page": "/", "at": at}).encode()) for at in times])
    counted = {"read": 5, "dead": dead, "late": 1, "ahead": 1 - dead}
    job.wait_for(lambda: {n: job.http_json("/status")["totals"][n] for n in counted} == counted, "the counters")
    metrics = prometheus.parse(job.http("/metrics")[1])
    assert [metrics[f"streamlua_{n}_total"].samples for n in ("late", "ahead")] == [{(): 1}, {(): 1 - dead}]
    assert job.stop().code == 0
    assert [row["n"] for row in found("SELECT n FROM t ORDER BY window_start")] == panes
    letters = found("SELECT error, `offset` AS off FROM streamlua_dead_letters")
    assert [letter["off"] for letter in letters] == [1] * dead and all("2999" in letter["error"] for letter in letters)


CHANGES = """
local sl = require "streamlua"
return { key_by = { "shop" }, time = "at", target = "sales", window = sl.tumbling("1h"),
         aggregate = { orders = sl.count(), total = sl.sum "amount", mean = sl.avg "amount", kinds = sl.count_distinct "kind" } }
"""


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_updates_and_deletes_are_taken_back_exactly(job, request, into):
    """In the end a window has exactly the rows that its table has."""
    dice = random.Random(4)
    orders = Table("orders", schemas=True, types={"amount": DECIMAL(2)})
    live, changes = {}, []
    for i in range(1500):
        row = {"id": i, "shop": dice.randrange(5), "at": text(dice.randrange(4) * 3_600_000 + dice.randrange(3_600_000)), "amount": D(dice.randrange(10**6)) / 100, "kind": dice.choice("abcd")}
        what = dice.random()
        if live and what < 0.35:
            old = live[dice.choice(list(live))]
            live[old["id"]] = {**row, "id": old["id"]}
            changes.append(orders.update(old, live[old["id"]]))
        elif live and what < 0.5:
            changes.append(orders.delete(live.pop(dice.choice(list(live)))))
        else:
            live[i] = row
            changes.append(orders.insert(row))
    job.file("in.tsv", tab_lines(changes))
    schema = ("CREATE TABLE sales (shop INT, window_start VARCHAR(30), window_end VARCHAR(30), orders INT, total VARCHAR(40), mean REAL, kinds INT, PRIMARY KEY (shop, window_start))")
    script = CHANGES.replace('tumbling("1h")', 'tumbling("1h", { out_of_order = "1d" })')
    found = into_either(job, request, into, file_source("in.tsv", key_separator="\t"), schema, orders=script)
    job.run().ok()
    assert dead_letters_in(found) == []
    expected = collections.defaultdict(list)
    for row in live.values():
        expected[row["shop"], row["at"][:13] + ":00:00"].append(row)
    sales = {(row["shop"], row["window_start"]): row for row in found("SELECT * FROM sales")}
    assert sales.keys() == expected.keys()
    for key, held in expected.items():
        assert (sales[key]["orders"], D(sales[key]["total"]), sales[key]["kinds"]) == (len(held), sum(r["amount"] for r in held), len({r["kind"] for r in held}))


REFUSED = [
    ('sl.min "amount"', "min cannot take a row back"),
    ('sl.last "amount"', "last cannot take a row back"),
]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
@pytest.mark.parametrize("one, said", REFUSED)
def test_what_cannot_be_taken_back_is_a_dead_letter_and_not_miscounted(job, request, one, said, into):
    orders = Table("orders", schemas=True)
    row = {"id": 1, "shop": 1, "at": text(0), "amount": 5}
    job.file("in.tsv", tab_lines([orders.insert(row), orders.insert({**row, "id": 2, "amount": 7}), orders.delete(row)]))
    script = f'local sl = require "streamlua" return {{ key_by = {{ "shop" }}, time = "at", target = "t", window = sl.tumbling("1h"), aggregate = {{ n = sl.count(), v = {one} }} }}'
    found = into_either(job, request, into, file_source("in.tsv", key_separator="\t"), "CREATE TABLE t (shop INT, window_start VARCHAR(30), window_end VARCHAR(30), n INT, v INT, PRIMARY KEY (shop, window_start))", orders=script)
    job.run().ok().counts(written=2, dead_letters=1)
    assert said in dead_letters_in(found)[0]["error"] and found("SELECT n FROM t") == [{"n": 2}]


TIMER = """return { key_by = { "k" }, time = "at", process = function(row, state, ctx)
  state.n = (state.n or 0) + 1 ctx:emit("log", { id = row.id, n = state.n })
  ctx:timer(row.due)
end, on_timer = function(state, ctx) ctx:emit("log", { id = 99, n = state.n + 1 }) end }"""
SUM = 'local sl = require "streamlua" return { key_by = { "k" }, time = "at", target = "t", window = sl.tumbling("1h"), aggregate = { v = sl.sum "v" } }'
BAD = [
    (SUM, {"at": "yesterday"}, "'yesterday' is no time"),
    (SUM, {"at": None}, "time: column at is missing, or NULL"),
    (SUM, {"v": {"a": 1}}, "is no decimal number"),
    (TIMER, {"due": "2023-12-31 00:00:00"}, "scripts/w.lua:3: ctx:timer: 2023-12-31 00:00:00.000 is in the past: the watermark is 2024-01-01 00:00:00.000"),
    (TIMER, {"due": False}, "scripts/w.lua:3: ctx:timer: a time is needed, milliseconds or a text, not a boolean"),
]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
@pytest.mark.parametrize("script, bad, said", BAD)
def test_bad_input_is_a_dead_letter_that_says_its_key_and_what_is_kept_stays(job, request, script, bad, said, into):
    good = {"id": 1, "k": "a", "at": text(0), "v": 5, "due": "2024-02-01 00:00:00"}
    job.file("in", "".join(json.dumps(event) + "\n" for event in (good, {**good, "id": 2, **bad}, {**good, "id": 3})))
    schema = "CREATE TABLE t (k VARCHAR(20), window_start VARCHAR(30), window_end VARCHAR(30), v INT, PRIMARY KEY (k, window_start)); CREATE TABLE log (id INTEGER PRIMARY KEY, n INT)"
    found = into_either(job, request, into, file_source("in", format="json", topic="w"), schema, w=script)
    job.run().ok().counts(written=2, dead_letters=1)
    [letter] = dead_letters_in(found)
    assert said in letter["error"] and '["a"]' in letter["error"] and letter["source_table"] == "w", letter["error"]
    assert [row["v"] for row in found("SELECT v FROM t")] == ([10] if script == SUM else [])
    assert [row["n"] for row in found("SELECT n FROM log ORDER BY id")] == ([] if script == SUM else [1, 2, 3])


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_late_rows_go_to_late_and_functions_may_take_the_place_of_aggregates(job, request, into):
    script = """
    local sl = require "streamlua"
    return {
      key_by = { "k" }, time = { "ts", unit = "s" }, target = "t", window = sl.tumbling("10s", { out_of_order = "5s" }),
      add = function(acc, row) acc.text = (acc.text or "") .. row.v end,
      sub = function() end,
      result = function(acc, w) return { text = acc.text, length = w.finish - w.start } end,
      late = function(row, ctx) ctx:emit("late", { id = row.id, watermark = ctx.watermark }) end,
    }"""
    job.file("in", "".join(json.dumps(e) + "\n" for e in [{"id": 1, "k": 1, "ts": 1, "v": "a"}, {"id": 2, "k": 1, "ts": 14, "v": "b"}, {"id": 3, "k": 1, "ts": 9, "v": "c"},
                                                     {"id": 4, "k": 1, "ts": 30, "v": "d"}, {"id": 5, "k": 1, "ts": 9, "v": "e"}, {"id": 6, "k": 1, "ts": 4102444800, "v": "f"}, {"id": 7, "k": 1, "ts": 31, "v": "g"}]))
    schema = ("CREATE TABLE t (k INT, window_start VARCHAR(30), window_end VARCHAR(30), text VARCHAR(20), length INT, PRIMARY KEY (k, window_start));"
              "CREATE TABLE late (id INTEGER PRIMARY KEY, watermark BIGINT)")
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), schema, t=script)
    job.run().ok()
    assert [(row["window_start"][11:], row["text"], row["length"]) for row in found("SELECT * FROM t ORDER BY k, window_start")] == \
        [("00:00:00", "ac", 10_000), ("00:00:10", "b", 10_000), ("00:00:30", "dg", 10_000), ("00:00:00", "f", 10_000)]
    assert [row["id"] for row in found("SELECT * FROM late")] == [5], "what lies a century ahead moves nobody's clock"


@pytest.mark.parametrize("values, least, most, distinct", [
    ([100000000000001, 100000000000002, 100000000000001], "100000000000001", "100000000000002", 2),
    ([9007199254740993, 10000000000000000000, -12345678901234567890], "-12345678901234567890", "10000000000000000000", 3),
    ([0.1, 0.30000000000000004, 0.3], "0.1", "0.30000000000000004", 3),
    ([5, 9007199254740993, 70], "5", "9007199254740993", 3),
    (["10", "9", "b"], "10", "b", 3)], ids=["15 digits", "20 digits", "doubles", "of both kinds", "texts"])
@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_the_least_the_most_and_the_number_of_values_are_exact(job, request, values, least, most, distinct, into):
    script = ('local sl = require "streamlua" return { key_by = { "k" }, time = "at", target = "t", window = sl.tumbling "1m", '
              'aggregate = { least = sl.min "v", most = sl.max "v", n = sl.count_distinct "v" } }')
    found = into_either(job, request, into, file_source("in", format="json", topic="t"),
                        "CREATE TABLE t (k INT, window_start VARCHAR(30), window_end VARCHAR(30), least VARCHAR(40), most VARCHAR(40), n INT, PRIMARY KEY (k, window_start))", t=script)
    job.file("in", "".join(json.dumps({"k": 1, "at": text(0), "v": value}) + "\n" for value in values)).run().ok()
    assert [(row["least"], row["most"], row["n"]) for row in found("SELECT * FROM t")] == [(least, most, distinct)]


COUNTED = 'state.n = (state.n or 0) + 1 return { id = row.id, n = state.n }'
# What is kept is the same before its time is over and after it.
MARKED = 'local n = state.seen and 1 or 0 state.seen = true return { id = row.id, n = n }'
IN_A_MAP = 'local seen = ctx:map "seen" local n = seen.it and 1 or 0 seen.it = true return { id = row.id, n = n }'


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
@pytest.mark.parametrize("process, expected", [(COUNTED, [1, 2, 1, 2, 1, 1, 1]), (MARKED, [0, 1, 0, 1, 0, 0, 0]), (IN_A_MAP, [0, 1, 0, 1, 0, 0, 0])],
                         ids=["counted", "marked", "in a map"])
def test_state_is_forgotten_after_its_ttl_of_event_time(job, request, process, expected, into):
    script = (f'return {{ key_by = {{ "k" }}, time = "at", state = {{ ttl = "1h" }}, target = "t", process = function(row, state, ctx) {process} end }}')
    # Two within an hour, two of the second hour, and one that comes when the watermark has passed that: its row may be deleted by then or not.
    moments = [(1, 0), (1, 0.5), (1, 1.6), (1, 1.9), (2, 5), (1, 2), (1, 6)]
    lines = "".join(json.dumps({"id": i, "k": k, "at": text(int(h * 3_600_000))}) + "\n" for i, (k, h) in enumerate(moments))
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)", t=script)
    job.file("in", lines).run().ok()
    assert [row["n"] for row in found("SELECT * FROM t ORDER BY id")] == expected
