"""Scripts that keep state: what they keep and what they write are one, whatever dies. The oracle walks the same events in Python."""

import json
import random

import pytest

from support.files import dead_letters_in, into_either, into_sqlite, rows, sqlite
from support.job import file_source, kafka_source, tidb_sink

FRAUD = """
local M = { key_by = { "account_id" }, time = "created_at", state = { ttl = "1d" } }

function M.process(row, state, ctx)
  if state.small and row.amount > 500 then
    ctx:emit("alerts", { account_id = row.account_id, payment_id = row.id, amount = row.amount })
  end
  state.small = row.amount < 1 or nil          -- an empty state is no row
end

return M
"""

# Counts what it sees: a change that is seen twice, or state that is lost or from another moment, shows in every row after it.
COUNT = """
local M = { key_by = { "account_id" }, target = "counts" }

function M.process(row, state, ctx)
  state.n = (state.n or 0) + 1
  state.hash = ((state.hash or 0) * 31 + row.id) % 1000003
  ctx:emit("log", { id = row.id, account_id = row.account_id, n = state.n, hash = state.hash })
  return { account_id = row.account_id, n = state.n, hash = state.hash }
end

return M
"""

COUNT_SCHEMA = """
CREATE TABLE counts (account_id INT PRIMARY KEY, n INT, hash INT);
CREATE TABLE log (id INT PRIMARY KEY, account_id INT, n INT, hash INT)"""

CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}


def payments(count, accounts, seed):
    dice = random.Random(seed)
    amounts = [0.5, 0.99, 1, 20, 500, 500.01, 700]
    return [{"id": i, "account_id": dice.randrange(accounts), "amount": dice.choice(amounts), "created_at": f"2024-01-01 00:{i // 60 % 60:02}:{i % 60:02}"}
            for i in range(count)]


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def alerts_of(events):
    small, alerts = {}, []
    for event in events:
        if small.get(event["account_id"]) and event["amount"] > 500:
            alerts.append((event["id"], event["account_id"], event["amount"]))
        small[event["account_id"]] = event["amount"] < 1
    return alerts, {account for account, is_small in small.items() if is_small}


def counts_of(events):
    counts, log = {}, []
    for event in events:
        n, hash = counts.get(event["account_id"], (0, 0))
        counts[event["account_id"]] = (n + 1, (hash * 31 + event["id"]) % 1000003)
        log.append({"id": event["id"], "account_id": event["account_id"], "n": counts[event["account_id"]][0], "hash": counts[event["account_id"]][1]})
    return [{"account_id": a, "n": n, "hash": h} for a, (n, h) in sorted(counts.items())], sorted(log, key=lambda row: row["id"])


def kept(connection_rows):
    return {json.loads(row["key"])[0]: json.loads(row["value"]) for row in connection_rows}


ALERTS = "CREATE TABLE alerts (payment_id INT PRIMARY KEY, account_id INT, amount DECIMAL(10,2))"


def test_an_alert_for_a_small_payment_before_a_large_one_is_the_same_on_both_databases(job, jobs, mariadb, database):
    events = payments(3000, 40, seed=1)
    job.file("payments", lines(events))
    into_sqlite(job, file_source("payments", format="json", topic="payments"), ALERTS, payments=FRAUD).run().ok().counts(written=_changed(events), filtered=len(events) - _changed(events))
    mariadb.execute(ALERTS, database=database)
    other = jobs("mariadb").file("payments", lines(events)).write(payments=FRAUD)
    other.job(file_source("payments", format="json", topic="payments"), tidb_sink(mariadb, database)).run().ok()
    alerts, small = alerts_of(events)
    assert alerts
    found = rows(job, "SELECT * FROM alerts ORDER BY payment_id")
    assert [(row["payment_id"], row["account_id"], row["amount"]) for row in found] == alerts
    states = [rows(job, "SELECT * FROM streamlua_state"), mariadb.execute("SELECT * FROM streamlua_state", database=database)]
    assert [kept(state) for state in states] == [{account: {"small": True} for account in small}] * 2
    found = mariadb.execute("SELECT * FROM alerts ORDER BY payment_id", database=database)
    assert [(row["payment_id"], row["account_id"], float(row["amount"])) for row in found] == alerts


def _changed(events):
    """Events that wrote an alert or changed what is kept."""
    small, count = {}, 0
    for event in events:
        was, now = small.get(event["account_id"], False), event["amount"] < 1
        count += (was and event["amount"] > 500) or was != now
        small[event["account_id"]] = now
    return count


@pytest.mark.parametrize("memory", ["256MB", "16MB"])
def test_killed_reloaded_and_joined_by_a_second_worker_it_counts_each_event_once(kafka, mariadb, topic, database, proxy, job, memory):
    partitions, accounts = 4, 60
    mariadb.execute(COUNT_SCHEMA, database=database)
    name = topic("payments", partitions=partitions)
    events = payments(24000, accounts, seed=2)
    parts = [events[at:at + 4000] for at in range(0, len(events), 4000)]

    def produce(part):
        kafka.produce([(name, e["account_id"] % partitions, json.dumps({"account_id": e["account_id"]}).encode(), json.dumps(e).encode()) for e in part])

    def logged():
        return mariadb.value("SELECT COUNT(*) FROM log", database=database)

    proxy.latency(0.01)  # so that there is always something on its way
    job.write(**{name: COUNT})
    job.job(kafka_source(kafka, name, format="json", config=CONFIG), tidb_sink(mariadb, database, port=proxy.port, lanes=3), memory=memory)
    for i, part in enumerate(parts):
        produce(part)
        job.start("--workers", 1 + i % 2, ready=False)
        enough = 4000 * i + 1500
        job.wait_for(lambda: logged() >= enough, f"{enough} lines of the log")
        if i % 3 == 0:
            job.kill()
        elif i % 3 == 1:
            job.kill_worker()
            job.wait_for(lambda: logged() >= 4000 * i + 2500, "what follows")
            job.kill()
        else:
            job.write(**{name: COUNT + f"-- {i}\n"})
            job.reload()
            job.wait_for(lambda: logged() >= 4000 * i + 2500, "what follows")
            job.kill()
    job.start("--workers", 2)
    job.wait_for(lambda: logged() == len(events), "all lines of the log")
    assert job.stop().code == 0
    counts, log = counts_of(events)
    assert mariadb.execute("SELECT id, account_id, n, hash FROM log ORDER BY id", database=database) == log
    assert mariadb.execute("SELECT account_id, n, hash FROM counts ORDER BY account_id", database=database) == counts
    state = kept(mariadb.execute("SELECT * FROM streamlua_state", database=database))
    assert state == {row["account_id"]: {"n": row["n"], "hash": row["hash"]} for row in counts}
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_what_the_database_refuses_leaves_the_state_as_it_was(job, request, into):
    events = payments(400, 5, seed=3)
    script = COUNT.replace("n = state.n, hash = state.hash })", "n = row.id % 7 == 3 and 'no number' or state.n, hash = state.hash })")
    assert script != COUNT
    job.file("payments", lines(events))
    schema = COUNT_SCHEMA.replace("account_id INT, n INT", "account_id INT, n INT CHECK (typeof(n) = 'integer')") if into == "sqlite" else COUNT_SCHEMA
    found = into_either(job, request, into, file_source("payments", format="json", topic="payments"), schema, payments=script)
    job.run().ok()
    counts, log = counts_of([event for event in events if event["id"] % 7 != 3])
    assert found("SELECT id, account_id, n, hash FROM log ORDER BY id") == log
    assert found("SELECT account_id, n, hash FROM counts ORDER BY account_id") == counts
    assert [letter["offset"] for letter in dead_letters_in(found)] == [event["id"] for event in events if event["id"] % 7 == 3]
    assert all(letter["stage"] == "sink" for letter in dead_letters_in(found))


BAD = [
    ("state.f = print", "state.f cannot be saved: a function has no form in JSON"),
    ("state.list = state", "more than 100 tables in each other, or a table in itself"),
    ("state.at = { [7] = 1 }", "state.at[7] cannot be saved"),
    ("state.n = 0 / 0", "state.n cannot be saved: nan is no number in JSON"),
    ("state.text = '\\255'", "state.text cannot be saved: this text is no UTF-8"),
    ("state.text = ('x'):rep(2000000)", "takes 2000020 bytes"),
    ("error('oh')", "scripts/payments.lua:4: oh"),
    ("return { no_such = 1 }", "process returned a value, and the script names no target"),
    ("ctx:emit('u', { v = 1 })", "key column id has no value"),
]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
@pytest.mark.parametrize("what, said", BAD, ids=[what[:20] for what, _ in BAD])
def test_a_fault_leaves_the_state_as_it_was_and_says_script_and_key(job, request, what, said, into):
    script = "return { key_by = { 'k' }, process = function(row, state, ctx)\n" \
             "  state.seen = (state.seen or 0) + 1\n" \
             f"  if row.bad then\n {what} end\n  ctx:emit('t', {{ id = row.id, v = state.seen }})\nend }}"
    job.file("in", lines([{"id": 1, "k": "a"}, {"id": 2, "k": "a", "bad": True}, {"id": 3, "k": "a"}]))
    found = into_either(job, request, into, file_source("in", format="json", topic="payments"),
                        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); CREATE TABLE u (id VARCHAR(20) NOT NULL PRIMARY KEY, v INT)", payments=script)
    job.run().ok().counts(written=2, dead_letters=1)
    assert found("SELECT * FROM t ORDER BY id") == [{"id": 1, "v": 1}, {"id": 3, "v": 2}]
    [letter] = dead_letters_in(found)
    assert said in letter["error"] and '["a"]' in letter["error"] and letter["source_table"] == "payments", letter["error"]
    assert kept(found("SELECT * FROM streamlua_state")) == {"a": {"seen": 2}}


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_keys_are_exact(job, request, into):
    keys = [1, "1", 1.5, True, None, "a b", "ä☃", 'q"\\', 12345678901234567890123]
    job.file("in", lines([{"id": i, "k": key} for i, key in enumerate(keys + keys)]))
    script = "return { key_by = { 'k' }, target = 't', process = function(row, state) state.n = (state.n or 0) + 1 return { id = row.id, v = state.n } end }"
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", t=script)
    job.run().ok()
    assert [row["v"] for row in found("SELECT * FROM t ORDER BY id")] == [1] * len(keys) + [2] * len(keys)
    kept = [json.loads(row["key"]) for row in found("SELECT `key` FROM streamlua_state")]
    assert sorted(kept, key=repr) == sorted(([key] for key in keys), key=repr)


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_a_key_that_no_index_holds_and_one_that_is_missing_are_dead_letters(job, request, into):
    job.file("in", lines([{"id": 1, "k": "x" * 500}, {"id": 2}, {"id": 3, "k": "x" * 390}]))
    script = "return { key_by = { 'k' }, target = 't', process = function(row, state) state.n = 1 return { id = row.id, v = 1 } end }"
    found = into_either(job, request, into, file_source("in", format="json", topic="t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", t=script)
    job.run().ok().counts(written=1, dead_letters=2)
    [long, missing] = dead_letters_in(found)
    assert "504 characters" in long["error"] and "no column k" in missing["error"]


def test_without_a_database_state_lives_as_long_as_the_worker(job):
    events = payments(50, 3, seed=5)
    job.write(payments=COUNT).file("in", lines(events))
    job.file("job.lua", 'local sl = require "streamlua" return sl.job { name = "j", source = sl.source.file { path = "in", format = "json", topic = "payments" }, '
                        'sink = sl.sink.jsonl { path = "out.jsonl" } }')
    job.run().ok()
    written = [json.loads(line) for line in (job.folder / "out.jsonl").read_text().splitlines()]
    assert {line["table"] for line in written} == {"counts", "log"}
    assert sorted((line["row"] for line in written if line["table"] == "log"), key=lambda row: row["id"]) == counts_of(events)[1]


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_state_goes_on_in_the_next_run_of_a_file_that_grew(job, request, into):
    events = payments(2000, 20, seed=6)
    job.file("payments", lines(events[:900]))
    found = into_either(job, request, into, file_source("payments", format="json", topic="payments"), COUNT_SCHEMA, payments=COUNT)
    job.run().ok()
    job.file("payments", lines(events)).run().ok()
    assert found("SELECT id, account_id, n, hash FROM log ORDER BY id") == counts_of(events)[1]


REFUSED = [
    ("return { process = function() end }", "key_by: the state of a script is kept for each key"),
    ("return { process = function() end, key_by = 'row' }", "key_by: the state of a script is kept for each key"),
    ("return { process = function() end, key_by = { 'k' }, map = function() end }", "a script has process or map, not both"),
    ("return { state = { ttl = '1d' } }", "state: it is for scripts that keep state"),
    ("return { process = function() end, key_by = { 'k' }, state = { tll = '1d' } }", "did you mean 'ttl'?"),
    ("return { process = function() end, key_by = { 'k' }, target = 'nowhere' }", "no table nowhere"),
]


@pytest.mark.parametrize("script, said", REFUSED, ids=[said[:24] for _, said in REFUSED])
def test_a_script_that_cannot_keep_state_is_refused_before_anything_is_read(job, script, said):
    job.file("in", "")
    into_sqlite(job, file_source("in", format="json", topic="t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", t=script)
    ended = job.command("check", "job.lua")
    assert ended.code == 2 and said in ended.err, ended.err


def test_a_file_of_state_can_be_read_while_the_job_runs(job):
    """What the page says of the table: plain SQL."""
    job.file("payments", lines(payments(100, 4, seed=7)))
    into_sqlite(job, file_source("payments", format="json", topic="payments"), COUNT_SCHEMA, payments=COUNT).run().ok()
    counted = sqlite(job.folder / "out.db", "SELECT json_extract(key, '$[0]') AS account, json_extract(value, '$.n') AS n FROM streamlua_state")
    assert sum(row["n"] for row in counted) == 100 and {row["account"] for row in counted} == {0, 1, 2, 3}
