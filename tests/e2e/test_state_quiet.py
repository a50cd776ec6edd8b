"""Keys that never come again: what is kept of them is deleted once the watermark has passed its time, whoever has it in memory by then."""

import json

import pytest

from support.files import into_sqlite, rows
from support.job import kafka_source, tidb_sink

TTL = """
return { key_by = { "k" }, time = "at", state = { ttl = "1h" }, target = "t", process = function(row, state)
  state.n = (state.n or 0) + 1
  return { k = row.k, minute = "2024-01-01 00:00:00", n = state.n }
end }"""

WINDOW = """
local sl = require "streamlua"
return { key_by = { "k" }, time = "at", window = sl.%s, aggregate = { n = sl.count() }, emit = "%s", target = "t",
         columns = { k = "k", minute = "window_start", n = "n" } }"""

SCHEMA = "CREATE TABLE t (k INT, minute DATETIME, n INT, PRIMARY KEY (k, minute))"
SCRIPTS = {"ttl": TTL, "tumbling": WINDOW % ('tumbling("1h")', "changes"), "hopping": WINDOW % ('hopping("1h", "30m", { out_of_order = "1m" })', "changes"),
           "session": WINDOW % ('session("30m")', "changes"), "final": WINDOW % ('tumbling("1h")', "final")}


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_is_kept_of_quiet_keys_is_deleted(kafka, topic, job, mariadb, database, script, kind):
    name = topic("events")
    source = kafka_source(kafka, name, format="json")
    into_sqlite(job, source, SCHEMA, **{name: SCRIPTS[script]})
    if kind == "mariadb":
        mariadb.execute(SCHEMA, database=database)
        job.job(source, tidb_sink(mariadb, database))

    def found(sql):
        return rows(job, sql) if kind == "sqlite" else mariadb.execute(sql, database=database)

    def kept():
        return sorted(json.loads(row["key"])[0] for row in found("SELECT `key` FROM streamlua_state"))

    def produce(*events):
        kafka.produce([(name, 0, None, json.dumps({"k": k, "at": f"2024-01-01 {at}"}).encode()) for k, at in events])

    # 1,500 keys within a quarter of an hour: more than are asked for at once.
    produce(*[(k, f"00:{k // 100:02}:{k % 60:02}") for k in range(1500)])
    job.start()
    job.wait_for(lambda: len(kept()) == 1500, "what is kept of all keys")
    assert job.stop().code == 0
    job.start()  # and has none of them in memory
    produce((9001, "00:20:00"))
    job.wait_for(lambda: 9001 in kept(), "an event before their time")
    assert len(kept()) == 1501
    produce((9002, "04:00:00"), (9003, "04:00:01"))
    job.wait_for(lambda: kept() == [9002, 9003], "the end of those that are over")
    assert job.stop().code == 0
    assert found("SELECT COUNT(*) AS n FROM streamlua_dead_letters") == [{"n": 0}]
