"""A script that never ends, eats all memory or brings its worker down costs the event that it had, and nothing else."""

import re

import pytest

from support import oracle
from support.debezium import Table
from support.files import dead_letters, into_sqlite, rows, tab_lines
from support.job import Lua, file_source, kafka_source, tidb_sink

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
NO_END = r"{}:{}: no end is in sight after 20 million instructions"


def into(job, script, ids=range(200), **more):
    job.file("in.tsv", tab_lines(Table("t").insert({"id": i, "v": f"v{i}"}) for i in ids))
    return into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, more={"script_timeout": "500ms", **more}, t=script)


def only_missing(job, *ids, of=200):
    assert [row["id"] for row in rows(job)] == [i for i in range(of) if i not in ids]
    found = dead_letters(job)
    assert [letter["offset"] for letter in found] == list(ids)
    return [letter["error"] for letter in found]


def test_among_thousands_on_a_broker_each_other_row_is_written_once(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(20), n INT)", database=database)
    orders = Table("orders", topic=topic("orders", partitions=4))
    job.write(orders='''
      return { columns = { id = "id", v = "v", n = function(row)
        while row.id == 1234 do end
        if row.id == 4321 then
          local t = {}
          for i = 1, 1e9 do t[i] = { i } end
        end
        return row.id * 2
      end } }''').job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database))
    kafka.produce([orders.insert({"id": i, "v": f"v{i}", "n": 0}) for i in range(6000)])
    job.start("--workers", 2)
    expected = oracle.Oracle(orders=oracle.Table(["id"], map=lambda row, *_: {**row, "n": int(row["id"]) * 2}))
    expected.apply(change for change in orders.changes if change[3]["id"] not in (1234, 4321))
    job.wait_for(lambda: expected.matches_mariadb(mariadb, database), "all other rows", timeout=90)
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 2, "both dead letters")
    assert job.stop().code == 0
    letters = mariadb.execute("SELECT stage, error, `key` FROM streamlua_dead_letters ORDER BY `key`", database=database)
    assert [letter["stage"] for letter in letters] == ["script", "script"], letters
    assert b"1234" in letters[0]["key"] and re.match(NO_END.format(r"scripts/orders\.lua", 3), letters[0]["error"])
    assert b"4321" in letters[1]["key"] and letters[1]["error"].startswith("scripts/orders.lua: not enough memory")
    assert job.log().count("the worker is killed") == 1


def test_a_loop_says_its_line_and_the_stream_goes_on(job):
    into(job, 'return { filter = function(row)\n  if row.id == 77 then\n    local n = 0\n    while true do n = n + 1 end\n  end\n  return true\nend }').run().ok()
    error, = only_missing(job, 77)
    assert re.match(NO_END.format(r"scripts/t\.lua", 4), error) and "in function" in error


def test_pcall_is_no_way_out_of_a_loop(job):
    into(job, '''return { filter = function(row)
      while row.id == 5 do
        pcall(function() while true do end end)
      end
      return true end }''').run().ok()
    assert "no end is in sight" in only_missing(job, 5)[0]


def test_a_loop_inside_the_library_is_given_up_without_another_look(job):
    ended = into(job, '''return { filter = function(row)
      if row.id == 9 then return string.find(("a"):rep(400), ("a*"):rep(30) .. "b") end
      return true end }''').run().ok()
    assert "twice" in only_missing(job, 9)[0]
    assert ended.err.count("the worker is killed") == 2, ended.err


@pytest.mark.parametrize("greed", ['return ("x"):rep(1e9)', "local t = {} for i = 1, 1e9 do t[i] = {} end", 'local s = "x" while true do s = s .. s end'])
def test_memory_is_bounded_and_what_others_left_is_no_fault(job, greed):
    """Every row leaves rubbish that the bound would not hold all together."""
    into(job, f'return {{ filter = function(row) if row.id == 3 then {greed} end return #("r"):rep(2000000 + row.id) > 0 end }}', memory="64MB").run().ok()
    assert "not enough memory: scripts have a quarter of job.lua's `memory`" in only_missing(job, 3)[0]


def test_memory_filled_to_the_brim_is_no_fault_of_events_behind_that_keep_state(job):
    into(job, """
      local made = 0
      return { key_by = { "id" }, process = function(row, state, ctx)
        local n = row.id % 10 == 4 and 16e6 or 0
        while n >= 100 + row.id * 20 do
          made = made + 1
          if not pcall(function() return made .. ("x"):rep(n) end) then n = math.floor(n / 2) end
        end
        state.v = row.v .. row.id
        ctx:map("m")[row.id] = state.v
        ctx:emit("t", { id = row.id, v = state.v })
      end }""", memory="64MB").run().ok()
    assert {row["id"] for row in rows(job)} >= {i for i in range(200) if i % 10 != 4}


def test_a_script_that_keeps_more_and_more_begins_anew_and_no_event_suffers(job):
    into(job, '''local kept = {}
      return { filter = function(row) kept[#kept + 1] = ("x"):rep(200000 + row.id) return true end }''', memory="64MB").run().ok()
    assert only_missing(job) == []


def test_one_event_that_keeps_all_memory_is_at_fault(job):
    into(job, '''local kept = {}
      return { filter = function(row)
        while row.id == 8 do kept[#kept + 1] = ("x"):rep(100000 + #kept) end
        return true end }''', memory="64MB").run().ok()
    assert "not enough memory" in only_missing(job, 8)[0]


def test_a_format_of_ones_own_is_watched_too(job):
    job.file("in.tsv", b"".join(b"%d\n" % i for i in range(200)))
    into_sqlite(job, file_source("in.tsv", format=Lua('''sl.format(function(message)
      while message.value == "11" do end
      return { op = "insert", table = "t", key = { "id" }, row = { id = tonumber(message.value), v = message.value == "12" and ("x"):rep(1e9) or "v" } }
    end)''')), SCHEMA, more={"script_timeout": "500ms"}, t="return {}")
    job.run().ok()
    loop, memory = only_missing(job, 11, 12)
    assert re.match(NO_END.format(r"job\.lua", r"\d+"), loop) and memory.startswith("not enough memory")


def test_many_of_them_in_a_row(job):
    into(job, 'return { filter = function(row) while row.id >= 50 and row.id < 53 do end return true end }').run().ok()
    errors = only_missing(job, 50, 51, 52)
    # The second is said where counting its instructions took too long as well, on a busy machine.
    assert all("no end is in sight" in error or "twice" in error for error in errors), errors


def test_a_killed_worker_makes_nothing_suspect(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(20))", database=database)
    orders = Table("orders", topic=topic("orders", partitions=2))
    kafka.produce([orders.insert({"id": i, "v": f"v{i}"}) for i in range(2000)])
    # Each event takes its time, so that every kill finds a script at work.
    job.write(orders='return { filter = function(row) for i = 1, 200000 do if i < 0 then return false end end return true end }')
    job.job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database)).start()
    for _ in range(3):
        killed = job.workers()
        job.kill_worker()
        job.wait_for(lambda: job.workers() and job.workers() != killed and job.ready(), "the next worker")
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 2000, "all rows")
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0
    assert job.stop().code == 0


@pytest.mark.parametrize("file, text, said", [
    ("job.lua", 'local n = 0\nwhile true do n = n + 1 end', r"job\.lua:2: no end is in sight after 500 million"),
    ("scripts/t.lua", 'while true do end', r"scripts/t\.lua:1: no end is in sight after 500 million"),
    ("scripts/t.lua", 'local t = {}\nfor i = 1, 1e9 do t[i] = {} end', r"scripts/t\.lua: not enough memory: scripts have 64 MB"),
    ("scripts/t.lua", 'return { filter = function()\n  repeat until false\nend, examples = { { op = "insert", row = { id = 1 }, expect = { id = 1 } } } }',
     r"scripts/t\.lua:3: example 1: scripts/t\.lua:2: no end is in sight"),
])
def test_a_check_comes_to_its_end(job, file, text, said):
    into(job, "return {}").file(file, text)
    checked = job.command("check", "job.lua")
    assert checked.code == 2 and re.search(said, checked.err), checked
