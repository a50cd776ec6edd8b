"""The commands as a person meets them: their words, what they end with, and which stream gets what."""

import json
import re
import socket

import pytest

from support import wait_for
from support.debezium import Table
from support.files import sqlite, tab_lines
from support.job import Lua, file_source, jsonl_sink, kafka_source, sqlite_sink

COMMANDS = ["run", "check", "test", "status", "reload", "stop", "new"]
ROWS = [{"id": i, "sku": f"s{i}"} for i in range(1, 6)]


@pytest.fixture
def shop(job):
    """Five orders in a file, and a SQLite table for them."""
    orders = Table("orders")
    job.file("in.tsv", tab_lines(orders.insert(row) for row in ROWS))
    sqlite(job.folder / "out.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")
    job.write(orders="return {}")
    return job.job(file_source("in.tsv", key_separator="\t"), sqlite_sink("out.db"))


@pytest.fixture
def running(kafka, topic, job):
    """A job that goes on, from an empty topic into nothing."""
    job.write(orders="return {}")
    return job.job(kafka_source(kafka, topic()), Lua("sl.sink.blackhole()"))


def rows(job):
    return sqlite(job.folder / "out.db", "SELECT * FROM orders ORDER BY id")


# ---- run ----

@pytest.mark.parametrize("words", [["job.lua"], ["run", "job.lua"], ["--http", "off", "job.lua"], ["./job.lua"]], ids=" ".join)
def test_a_bounded_job_runs_and_ends(shop, words):
    ended = shop.command(*words, *([] if "--http" in words else ["--http", "off"])).ok()
    assert rows(shop) == ROWS
    assert ended.out == ""
    assert re.search(r"read 5 = written 5 \+ filtered 0 \+ unmatched 0 \+ dead letters 0 \+ ignored 0 \+ skipped 0", ended.err)


def test_data_goes_to_stdout_and_all_else_to_stderr(shop):
    shop.job(file_source("in.tsv", key_separator="\t"), jsonl_sink("-"))
    ended = shop.run().ok()
    assert [json.loads(line) for line in ended.out.splitlines()] == [{"op": "upsert", "table": "orders", "row": row} for row in ROWS]
    assert "read 5 = written 5" in ended.err


def test_the_job_may_be_in_another_folder(shop):
    shop.folder.joinpath("sub").mkdir()
    for name in ("job.lua", "in.tsv", "out.db", "scripts"):
        shop.folder.joinpath(name).rename(shop.folder / "sub" / name)
    shop.command("run", "sub/job.lua", "--http", "off").ok()
    assert sqlite(shop.folder / "sub/out.db", "SELECT * FROM orders ORDER BY id") == ROWS


def test_max_events_ends_early_and_the_next_run_goes_on(shop):
    shop.run("--max-events", 2).ok()
    assert rows(shop) == ROWS[:2]
    assert "read 3 = written 3" in shop.run().ok().err
    assert rows(shop) == ROWS


def test_dry_run_prints_the_sql_and_writes_nothing(shop):
    ended = shop.run("--dry-run").ok()
    assert "INSERT INTO `orders` (`id`, `sku`) VALUES" in ended.out and "(5,'s5')" in ended.out and "COMMIT;" in ended.out
    assert "INSERT" not in ended.err
    assert rows(shop) == []
    assert sqlite(shop.folder / "out.db", "SELECT name FROM sqlite_master") == [{"name": "orders"}]
    assert rows(shop) == [] and "written 5" in shop.run().ok().err  # a dry run moves no progress


def test_from_earliest_reads_a_file_again(shop):
    shop.run().ok()
    assert "read 0 =" in shop.run().ok().err
    sqlite(shop.folder / "out.db", "DELETE FROM orders")
    assert "read 5 = written 5" in shop.run("--from", "earliest").ok().err
    assert rows(shop) == ROWS


def test_every_line_of_the_json_log_parses(shop):
    shop.write(orders='function f() end')  # a script that does not load, with words that need escapes
    failed = shop.run("--log", "json")
    assert failed.code == 2
    shop.write(orders='return { filter = function(row) print("\\"quoted\\"\\t\\1\\240\\159\\152\\128 \\255") return true end }')
    ended = shop.run("--log", "json").ok()
    for line in failed.err.splitlines() + [line for line in ended.err.splitlines() if not line.startswith("read ")]:
        parsed = json.loads(line)
        assert {"time", "level", "message"} <= set(parsed), line
    assert [json.loads(line)["level"] for line in failed.err.splitlines()][-1] == "error"


# ---- usage ----

def test_help_names_every_command(job):
    shown = job.command("--help").ok()
    for command in COMMANDS:
        assert re.search(rf"^  streamlua {command}\b", shown.out, re.M), command
    assert "Exit: 0" in shown.out and shown.err == ""
    assert job.command("-h").ok().out == shown.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(job, command):
    shown = job.command(command, "--help").ok()
    assert shown.out.startswith(f"Usage: streamlua {command} ") and shown.err == ""


def test_run_help_names_every_option(job):
    shown = job.command("run", "--help").ok().out
    for option in "workers watch from reset-state until max-events http log pid-file dry-run help".split():
        assert f"--{option}" in shown


def test_version(job):
    assert re.fullmatch(r"streamlua \d+\.\d+\.\d+\S*\n", job.command("--version").ok().out)


@pytest.mark.parametrize("words, said", [
    ([], r"no job and no command"),
    (["chekc", "job.lua"], r'"chekc"; did you mean "check"\?'),
    (["relod", "job.lua"], r'did you mean "reload"\?'),
    (["qqqqqqqq"], r'no command "qqqqqqqq"; see streamlua --help'),
    (["run", "job.lua", "--wokers=2"], r"no option --wokers; did you mean --workers\?"),
    (["run", "job.lua", "--dryrun"], r"no option --dryrun; did you mean --dry-run\?"),
    (["run", "job.lua", "-x"], r"no option -x"),
    (["run", "job.lua", "--workers", "0"], r"--workers 0: write a whole number from 1 to"),
    (["run", "job.lua", "--workers", "two"], r"--workers two"),
    (["run", "job.lua", "--max-events", "0"], r"--max-events 0: write a whole number from 1 on"),
    (["run", "job.lua", "--from", "yesterday"], r"--from.*yesterday"),
    (["run", "job.lua", "--from", "2024-02-30T00:00:00Z"], r"--from.*2024-02-30"),
    (["run", "job.lua", "--until", "earliest"], r"--until.*earliest"),
    (["run", "job.lua", "--log", "xml"], r"--log xml: write text or json"),
    (["run", "job.lua", "--http", "nowhere"], r"--http.*nowhere"),
    (["run", "job.lua", "--http"], r"--http needs a value"),
    (["run", "job.lua", "--watch=yes"], r"--watch takes no value"),
    (["run", "job.lua", "other.lua"], r'"other.lua" is one too many'),
    (["run"], r"run needs JOB.lua"),
    (["check", "job.lua", "--workers", "2"], r"streamlua check has no option --workers"),
    (["run", "missing.lua"], r"missing\.lua"),
    (["missing.lua"], r"missing\.lua"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_usage_says_what_and_ends_with_2(shop, words, said):
    ended = shop.command(*words)
    assert (ended.code, ended.out) == (2, ""), ended
    assert re.search(said, ended.err), ended.err
    assert rows(shop) == []


# ---- check and test ----

def test_check_tells_what_each_script_writes(shop):
    sqlite(shop.folder / "out.db", "CREATE TABLE people (id INTEGER PRIMARY KEY, full_name TEXT, email TEXT)")
    shop.write(customers='return { target = "people", columns = { id = "id", email = "mail", full_name = function(row) return row.a .. row.b end } }')
    shown = shop.command("check", "job.lua").ok()
    lines = {line.split(":")[0]: line for line in shown.out.splitlines()}
    assert "orders -> orders (key id)" in lines["scripts/orders.lua"]
    assert "customers -> people (key id)" in lines["scripts/customers.lua"]
    assert "email, id, full_name (computed)" in lines["scripts/customers.lua"]
    assert sqlite(shop.folder / "out.db", "SELECT name FROM sqlite_master WHERE name LIKE 'streamlua%'") == []


def test_check_refuses_what_does_not_fit_the_target(shop):
    for columns in ('id = "id", skuu = "sku"', 'id = "id", skuu = function(row) return row.sku end',
                    'id = function(row) return row.id end, skuu = function(row) return row.sku end'):
        shop.write(orders=f"return {{ columns = {{ {columns} }} }}")
        failed = shop.command("check", "job.lua")
        assert failed.code == 2 and failed.out == ""
        assert re.search(r"scripts/orders.lua:1: columns: table orders has no column skuu \(it has id, sku\)", failed.err), failed.err


def test_examples_that_fail_are_shown_with_both_rows(shop):
    shop.write(orders='''return { examples = {
  { op = "insert", row = { id = 1, sku = "a" }, expect = { id = 1, sku = "a" } },
  { op = "insert", row = { id = 2, sku = "b" }, expect = { id = 2, sku = "B" } } } }''')
    failed = shop.command("test", "job.lua")
    assert failed.code == 1 and "1 passed, 1 failed" in failed.out
    assert re.search(r'expected .*sku = "B".*\n.*got .*sku = "b"', failed.out + failed.err)
    refused = shop.run()
    assert refused.code == 2 and 'sku = "B"' in refused.err
    assert shop.command("check", "job.lua").code == 2
    assert rows(shop) == []


def test_examples_that_pass(shop):
    shop.write(orders='''return { filter = function(row, ctx) return row.sku ~= "no" end,
  where = function(row) return row.sku ~= "gone" end,
  examples = {
    { op = "insert", row = { id = 1, sku = "a" }, expect = { id = 1, sku = "a" } },
    { op = "insert", row = { id = 1, sku = "no" }, expect = false },
    { op = "update", old = { id = 1, sku = "a" }, row = { id = 1, sku = "gone" }, expect = { delete = { id = 1 } } },
    { op = "delete", old = { id = 1, sku = "a" }, expect = { delete = { id = 1 } } } } }''')
    for words in (["test", "job.lua"], ["test"], ["test", "."], ["test", str(shop.folder)]):
        shown = shop.command(*words).ok()
        assert "4 passed, 0 failed" in shown.out, words


def test_test_of_what_is_not_there_ends_with_2(shop):
    for what in ("nothing.lua", "nowhere"):
        ended = shop.command("test", what)
        assert ended.code == 2 and what in ended.err
    shop.write(orders="return {")
    ended = shop.command("test")
    assert ended.code == 2 and re.search(r"scripts/orders.lua:1: ", ended.err)


# ---- new ----

def test_a_new_job_checks_tests_and_runs(job):
    made = job.command("new", "my-shop").ok()
    folder = job.folder / "my-shop"
    assert "my-shop" in made.out
    assert {"job.lua", ".luarc.json", "scripts"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / ".luarc.json").read_text())
    assert '"my-shop"' in (folder / "job.lua").read_text()
    assert re.search(r"[1-9]\d* passed, 0 failed", job.command("test", "my-shop").ok().out)
    assert "orders -> orders" in job.command("check", "my-shop/job.lua").ok().out
    ran = job.command("my-shop/job.lua", "--http", "off").ok()
    assert "dead letters 0" in ran.err
    assert len(sqlite(folder / "target.db", "SELECT * FROM orders")) > 0


@pytest.mark.parametrize("name", ["job", "a b", "../x;y", ".hidden", "a/b/c"])
def test_new_never_overwrites_and_refuses_odd_names(job, name):
    job.folder.joinpath("job").mkdir()
    job.file("job/mine.txt", "mine")
    refused = job.command("new", name)
    assert (refused.code, refused.out) == (2, "") and refused.err.startswith("streamlua: ")
    assert (job.folder / "job/mine.txt").read_text() == "mine"


# ---- status, reload, stop ----

def test_status_reload_and_stop_find_the_running_job(running):
    running.start()
    status = running.command("status", "job.lua").ok()
    assert f"job {running.name}" in status.out and "worker 0: ready" in status.out
    assert running.command("reload", "job.lua").ok().out == "reloaded\n"
    assert "reloads: 1 accepted, 0 rejected" in running.command("status", "job.lua").ok().out
    assert running.command("stop", "job.lua").ok().out == f"stopped pid {running.pid}\n"
    assert running.wait().code == 0


def test_reload_of_a_bad_script_says_why_and_keeps_the_old_one(running):
    running.start()
    running.write(orders="return {\n  filter = function(row) retrun true end }")
    refused = running.command("reload", "job.lua")
    assert refused.code == 1 and refused.out == ""
    assert re.search(r"rejected, the old scripts stay: scripts/orders.lua:2: ", refused.err)
    assert "1 rejected; the last: scripts/orders.lua:2" in running.command("status", "job.lua").ok().out
    assert running.ready()
    assert running.stop().code == 0


@pytest.mark.parametrize("command", ["status", "reload", "stop"])
def test_a_job_that_does_not_run_is_said_so(shop, command):
    ended = shop.command(command, "job.lua")
    assert ended.code == 1 and ended.out == "" and "job.lua" in ended.err


def test_a_pid_file_of_ones_own(running):
    running.start("--pid-file", "my.pid")
    assert int((running.folder / "my.pid").read_text().split()[0]) == running.pid
    assert running.command("status", "job.lua", "--pid-file", "my.pid").ok().out.startswith("job ")
    second = running.command("run", "job.lua", "--http", "off", "--pid-file", "my.pid")
    assert second.code == 2 and "my.pid" in second.err
    assert running.command("stop", "job.lua", "--pid-file", "my.pid").ok()
    assert running.wait().code == 0


def test_a_pid_file_that_cannot_be_made(shop):
    ended = shop.run("--pid-file", "no/such/folder/x.pid")
    assert ended.code == 2 and "no/such/folder/x.pid" in ended.err


# ---- http ----

def test_a_busy_port_that_was_asked_for_ends_with_2(shop):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = shop.command("run", "job.lua", "--http", f"127.0.0.1:{port}")
    assert ended.code == 2 and f"127.0.0.1:{port}" in ended.err
    assert rows(shop) == []


def test_port_0_is_a_free_one_and_is_told(running):
    running.start("--http", "127.0.0.1:0", ready=False)
    found = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", running.log()), "the address")
    running.port = int(found[1])
    running.wait_for(running.ready, "/readyz")
    assert running.stop().code == 0


def test_http_off_listens_nowhere(running):
    running.start("--http", "off", ready=False)
    running.wait_for(lambda: "worker 0" in running.log() or "1 worker" in running.log(), "the start")
    assert running.http("/healthz") == (0, "")
    assert "http://" not in running.log()
    assert "without HTTP" in running.command("status", "job.lua").ok().out
    assert running.stop().code == 0
