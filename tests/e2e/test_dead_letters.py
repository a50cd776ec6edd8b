"""Dead letters: shown, dropped, and sent through the scripts once more; a limit to how many there may be."""

import json
import random

import pytest

from support.debezium import Record, Table
from support.files import dead_letters, into_sqlite, kcat_lines, rows, sqlite, tab_lines
from support.job import Lua, file_source, jsonl_sink, kafka_source, tidb_sink

PICKY = 'return { map = function(row) if row.v == 13 then error("unlucky " .. row.id) end return { id = row.id, v = row.v } end }'
FINE = "return {}"


def letters(job, *words):
    """(exit code, what `dead-letters list` says)"""
    return [json.loads(line) for line in job.command("dead-letters", "job.lua", *words).ok().out.splitlines()]


def some_dead(job, more={}, source=None, lines=tab_lines):
    """Three rows, the second of them at fault, and a message that is none."""
    t = Table("t")
    records = [t.insert({"id": 1, "v": 1}), t.insert({"id": 2, "v": 13}), Record(t.topic, b"\xffkey", b'{"broken \xff'), t.insert({"id": 3, "v": 3})]
    job.file("in.txt", lines(records))
    into_sqlite(job, source or file_source("in.txt", key_separator="\t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", more, t=PICKY)
    return records


def test_they_are_listed_and_shown_whole(job):
    records = some_dead(job)
    assert letters(job) == []
    job.run().ok().counts(written=2, dead_letters=2)
    unlucky, broken = letters(job, "list")
    assert (unlucky["topic"], unlucky["partition"], unlucky["offset"], unlucky["source_table"], unlucky["stage"]) == ("in.txt", 0, 1, "shop.t", "script")
    assert "unlucky 2" in unlucky["error"] and "scripts/t.lua:1" in unlucky["error"] and unlucky["at"]
    assert (broken["stage"], broken["source_table"]) == ("decode", None)
    shown = json.loads(job.command("dead-letters", "job.lua", "show", unlucky["id"]).ok().out)
    assert (shown["key"], shown["value"], shown["headers"]) == (records[1].key.decode(), records[1].value.decode(), [])
    shown = json.loads(job.command("dead-letters", "job.lua", "show", broken["id"]).ok().out)
    assert (shown["key_base64"], shown["value_base64"]) == ("/2tleQ==", "eyJicm9rZW4g/w==")


def test_one_is_dropped(job):
    some_dead(job)
    job.run().ok()
    first, second = letters(job)
    assert "dropped" in job.command("dead-letters", "job.lua", "drop", first["id"]).ok().out
    assert [letter["id"] for letter in letters(job)] == [second["id"]]
    again = job.command("dead-letters", "job.lua", "drop", first["id"])
    assert again.code == 1 and f"has no dead letter {first['id']}" in again.err


@pytest.mark.parametrize("words, said", [
    (("show",), "needs an id"), (("drop",), "needs an id"), (("show", "x"), "no dead letter's id"), (("lost",), "none of list, show ID"), (("list", "1"), "takes no id")])
def test_wrong_words_are_usage(job, words, said):
    some_dead(job)
    ended = job.command("dead-letters", "job.lua", *words)
    assert (ended.code, ended.out) == (2, "") and said in ended.err


def test_replay_goes_through_the_script_as_it_is_now(job):
    some_dead(job)
    job.run().ok()
    in_vain = job.command("dead-letters", "job.lua", "replay")
    assert in_vain.code == 1 and "2 are dead letters again" in in_vain.out and "unlucky 2" in in_vain.err
    assert len(letters(job)) == 2
    job.write(t=FINE)
    unlucky, broken = letters(job)
    if "unlucky" not in unlucky["error"]:
        unlucky, broken = broken, unlucky
    assert "replayed 1: 0 are dead letters again" in job.command("dead-letters", "job.lua", "replay", unlucky["id"]).ok().out
    assert rows(job) == [{"id": n, "v": v} for n, v in ((1, 1), (2, 13), (3, 3))]
    assert [letter["id"] for letter in letters(job)] == [broken["id"]]
    # The job's own progress is where it was.
    job.run().ok().counts()


def test_replay_of_records_that_a_file_replays(job):
    some_dead(job, source=file_source("in.txt", envelope="kcat"), lines=kcat_lines)
    job.run().ok()
    job.write(t='return { map = function(row, ctx) return { id = row.id, v = ctx.offset } end }')
    [unlucky] = [letter for letter in letters(job) if letter["stage"] == "script"]
    assert unlucky["topic"] == "test.shop.t"
    job.command("dead-letters", "job.lua", "replay", unlucky["id"]).ok()
    assert rows(job, "SELECT v FROM t WHERE id = 2") == [{"v": 1}]


def test_a_message_that_could_not_be_decoded_gives_all_its_events(job):
    job.file("in.txt", b"\n".join(b'[{"id":%d,"v":1},{"id":%d,"v":2}]' % (n, n + 1) for n in (1, 11)) + b"\n")
    decode = '''sl.format(function(message)
      if %s then error "not yet" end
      local events = {}
      for _, row in ipairs(sl.json.decode(message.value)) do events[#events + 1] = { op = "insert", table = "t", key = { "id" }, row = row } end
      return events
    end)'''
    into_sqlite(job, file_source("in.txt", format=Lua(decode % "true")), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", t=FINE)
    job.run().ok().counts(dead_letters=2)
    text = (job.folder / "job.lua").read_text()
    job.file("job.lua", text.replace("if true then", "if false then"))
    assert "replayed 2: 0 are dead letters again, 0 wait" in job.command("dead-letters", "job.lua", "replay").ok().out
    assert [row["id"] for row in rows(job)] == [1, 2, 11, 12]
    assert rows(job, "SELECT * FROM streamlua_parked") == [] == letters(job)


def test_what_waits_for_its_row_stays_parked_after_a_replay(job):
    t = Table("t")
    job.file("in.txt", tab_lines([t.insert({"id": 5, "v": 1})]))
    into_sqlite(job, file_source("in.txt", key_separator="\t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", {"park_for": "100ms"},
                t='return { write = "update" }')
    job.run().ok().counts(dead_letters=1)
    file = (job.folder / "job.lua").read_text()
    job.file("job.lua", file.replace("100ms", "10m"))
    assert "1 wait for their rows" in job.command("dead-letters", "job.lua", "replay").ok().out
    sqlite(job.folder / "out.db", "INSERT INTO t (id) VALUES (5)")
    job.run().ok().counts(written=1)
    assert rows(job) == [{"id": 5, "v": 1}]


def test_a_sink_that_is_no_database_says_where_they_are(job):
    job.file("in.txt", "{\n").write(t=FINE).job(file_source("in.txt", format="json"), jsonl_sink("out.jsonl"))
    job.run().ok().counts(dead_letters=1)
    ended = job.command("dead-letters", "job.lua")
    assert ended.code == 2 and "job.dead-letters.jsonl" in ended.err.replace(job.name, "job"), ended.err


def test_a_running_job_takes_them_in_exactly_once(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id INT)", database=database)
    t = Table("t", topic=topic("t", partitions=3))
    dice = random.Random(4)
    kafka.produce([t.insert({"id": n, "v": 13 if dice.random() < 0.3 else n}) for n in range(400)])
    counting = 'ctx:emit("log", { id = row.id }) return row end }'
    job.write(t='return { map = function(row, ctx) if row.v == 13 then error "unlucky" end ' + counting)
    job.job(kafka_source(kafka, t.topic), tidb_sink(mariadb, database)).start("--workers", 2)
    job.wait_for(lambda: sum(job.http_json("/status")["totals"][name] for name in ("written", "dead")) == 400, "all have ended")
    dead = mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database)
    assert dead > 50
    job.write(t="return { map = function(row, ctx) " + counting)
    job.command("reload", "job.lua").ok()
    job.kill_worker()
    ended = job.command("dead-letters", "job.lua", "replay").ok()
    assert f"replayed {dead}: 0 are dead letters again" in ended.out
    assert mariadb.value("SELECT COUNT(*) FROM t", database=database) == 400
    assert mariadb.execute("SELECT id FROM log GROUP BY id HAVING COUNT(*) <> 1", database=database) == []
    assert mariadb.value("SELECT COUNT(*) FROM log", database=database) == 400
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_parked", database=database) == 0
    assert job.stop().code == 0


def test_too_many_in_a_minute_stop_the_job_and_lose_nothing(job):
    t = Table("t")
    job.file("in.txt", tab_lines([t.insert({"id": n, "v": 13 if n >= 5 else n}) for n in range(40)]))
    into_sqlite(job, file_source("in.txt", key_separator="\t"), "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)", {"dead_letter_limit": 3}, t=PICKY)
    ended = job.run()
    assert ended.code == 1
    assert "more than 3 dead letters within a minute (dead_letter_limit)" in ended.err and "unlucky" in ended.err
    assert len(dead_letters(job)) <= 3
    job.write(t=FINE)
    job.run().ok()
    assert len(rows(job)) + len(dead_letters(job)) == 40
