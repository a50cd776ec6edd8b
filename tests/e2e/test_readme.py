"""The documents say all that there is, and nothing that there is not: options, fields, commands and columns are read from the program."""

import json
import re
import sqlite3

import pytest

from support import prometheus
from support.debezium import Table
from support.files import into_either
from support.job import ROOT, Lua, file_source, jsonl_sink, kafka_source, sqlite_sink

LUA = ROOT / "lua/streamlua"

# The tables of options in lua/streamlua, by file and by the local that holds them.
OPTION_TABLES = [("job", "OPTIONS"), ("source", "KAFKA"), ("source", "FILE"), ("sink", "TLS"), ("sink", "known"), ("format", "SETTINGS"),
                 ("script", "FIELDS"), ("example_form", "EVENT"), ("example_form", "STEPS"), ("harness", "RESTORED"), ("script", "KEEPING"),
                 ("script", "WATERMARK"), ("script", "REPARTITION"), ("script", "SHARD"), ("lookup", "OPTIONS"), ("sink", "KAFKA")]


def code(text):
    """What stands in backticks or in blocks of code."""
    blocks = re.findall(r"^```.*?^```", text, re.M | re.S)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", rest))


def readme():
    return (ROOT / "README.md").read_text()


def documented(name, text):
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)


def options_of(file, local):
    text = (LUA / f"{file}.lua").read_text()
    block = re.search(rf"^( *)local {local} = \{{\n(.*?)^\1\}}", text, re.M | re.S)
    assert block, f"{file}.lua has no table {local} any more: this test has to learn where its options are"
    names = re.findall(r"^\s+(\w+) = \{", block[2], re.M)
    assert names
    return names


@pytest.mark.parametrize("file, local", OPTION_TABLES, ids=lambda word: word)
def test_every_option_of_job_lua_and_field_of_a_script_is_documented(file, local):
    text = code(readme()) + code((ROOT / "lua/README.md").read_text())
    assert [name for name in options_of(file, local) if not documented(name, text)] == []


def test_every_table_of_options_is_looked_at():
    found = {(path.stem, local) for path in LUA.glob("*.lua") for local in
             re.findall(r"^ *local (\w+) = \{\n\s+\w+ = \{ *(?:check\.|name\b|brokers\b|any_)", path.read_text(), re.M)}
    assert found <= set(OPTION_TABLES)


def commands(job):
    return re.findall(r"^  streamlua (\w[\w-]*) ", job.command("--help").ok().out, re.M)


def test_every_command_and_option_is_documented_and_no_other(job):
    text = code(readme())
    names = commands(job)
    assert {"run", "check", "test", "demo"} <= set(names)
    assert [name for name in names if not documented(f"streamlua {name}", text)] == []

    options = {option for name in names for option in re.findall(r"^  --([\w-]+)", job.command(name, "--help").ok().out, re.M)} | {"version"}
    assert len(options) > 8
    assert [option for option in options if not documented(f"--{option}", text)] == []
    assert {name for name in re.findall(r"--([a-z][\w-]*)", text)} <= options
    assert {name for name in re.findall(r"\bstreamlua ([a-z][a-z-]*)(?![\w.-])", text)} <= set(names)


def test_the_table_of_options_says_which_commands_have_them(job):
    table = re.search(r"^\| option \| of \|.*?(?=\n\n)", readme(), re.M | re.S)[0]
    documented_of = {(command, option) for options, commands_of in re.findall(r"^\| (`--[^|]*?`.*?) \| ([\w ,-]+) \| ", table.replace("\\|", "/"), re.M)
                     for option in re.findall(r"`--([\w-]+)", options) for command in commands_of.split(", ") if command != "all"}
    found = {(name, option) for name in commands(job) for option in re.findall(r"^  --([\w-]+)", job.command(name, "--help").ok().out, re.M) if option != "help"}
    assert found - documented_of == set() and documented_of - found == set()


# What scripts and tests find in the engine's modules: (file, a block of it, the names in the block).
API = [("streamlua", r'^return readonly\.new\("sl", .*', r"^ +(\w+) = |[{,] (\w+) = "), ("streamlua/decimal", ".*", r"^function decimal\.(\w+)"),
       ("streamlua/int64", ".*", r"^function int64\.(\w+)"), ("streamlua/source", ".*", r"^function source\.(\w+)"), ("streamlua/sink", r"^return \{.*", r"^  (\w+) ="),
       ("streamlua/context", r"^local FIELDS = .*?^local function", r"^  (\w+) = "), ("streamlua/pattern", ".*", r'^function methods\.(\w+)|[{,] "(\w+)"(?=[^\n]* do$)'),
       ("streamlua/test_harness", ".*", r'^function methods\.(\w+)|[{,] "(\w+)"(?=[^\n]* do$)'),
       ("streamlua/stdlib", r"^  return \{\n    assert = .*?^  \}", r"^    (\w+) = |, (\w+) = (?=\w+[,}])")]


@pytest.mark.parametrize("file, block, names", API, ids=lambda word: word if word.startswith("streamlua") else "")
def test_all_that_scripts_and_tests_can_call_is_documented(file, block, names):
    text = re.search(block, (ROOT / f"lua/{file}.lua").read_text(), re.M | re.S)[0]
    found = {name for hit in re.findall(names, text, re.M) for name in ([hit] if isinstance(hit, str) else hit) if name}
    assert len(found) >= 2, "this test has to learn where the names are"
    documents = code((ROOT / "lua/README.md").read_text())
    assert sorted(name for name in found if not documented(name, documents)) == []


def chapter(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## )", readme(), re.M | re.S)[1]


def members(value):
    """The names in a JSON value, at any depth."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from members(one)


def test_every_metric_and_member_of_status_is_documented_and_no_other(kafka, topic, job):
    table = Table("t", topic=topic(partitions=1))
    kafka.produce([table.insert({"id": 1})])
    with sqlite3.connect(job.folder / "target.db") as target:
        target.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    job.write(t="return {}").job(kafka_source(kafka, table.topic), sqlite_sink("target.db")).start()
    job.wait_for(lambda: job.http_json("/status")["totals"]["written"] == 1, "the row")
    families, status, text = prometheus.parse(job.http("/metrics")[1]), job.http_json("/status"), code(chapter("Status, metrics, log"))
    assert job.stop().code == 0

    names = set(re.findall(r"\bstreamlua_\w+", text))
    assert set(families) - names == set() and names - set(families) == set()
    labels = {label for family in families.values() for sample in family.samples for label, _ in sample}
    assert {"job", "script", "partition"} <= labels
    counters = {name.removeprefix("streamlua_").removesuffix("_total") for name in names}
    assert [name for name in sorted(labels | set(members(status)) - counters) if not documented(name, text)] == []


def test_every_member_of_the_log_and_of_dead_letters_in_a_file_is_documented(job):
    job.file("in.jsonl", '{"id":1}\nno json\n').write(**{"in": "return { target = 't' }"}).job(file_source("in.jsonl", "json"), jsonl_sink("out.jsonl"))
    ended = job.run("--log", "json").ok()
    logged = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    found = set(members(logged))
    assert {"message", "topic", "offset"} <= found
    assert [name for name in sorted(found) if not documented(name, code(chapter("Status, metrics, log")))] == []
    [letters] = job.folder.glob("*.dead-letters.jsonl")
    [letter] = [json.loads(line) for line in letters.read_text().splitlines()]
    columns = re.search(r"^\*\*streamlua_dead_letters\*\*.*?(?=^### )", readme(), re.M | re.S)[0]
    assert len(letter) > 8 and [name for name in letter if f"`{name}`" not in columns] == []


def test_every_column_of_streamlua_s_own_tables_is_documented(job):
    job.file("schema.sql", "").write(t="return { key = { 'id' } }").file("in.jsonl", "")
    with sqlite3.connect(job.folder / "target.db") as target:
        target.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    job.job(file_source("in.jsonl", "json"), sqlite_sink("target.db")).run().ok()
    with sqlite3.connect(job.folder / "target.db") as target:
        tables = [name for [name] in target.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'streamlua%'")]
        assert len(tables) >= 4
        for table in tables:
            chapter = re.search(rf"^\*\*{table}\*\*.*?(?=^\*\*|^Sinks|\Z)", readme(), re.M | re.S)[0]
            columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
            assert len(columns) > 8
            assert [name for name in columns if f"`{name}`" not in chapter] == [], table


def test_the_first_job_and_its_script_are_right(job):
    files = re.findall(r"^```lua\n-- (\S+)\n(.*?)^```", readme(), re.M | re.S)
    assert [name for name, _ in files] == ["scripts/orders.lua", "job.lua"]
    for name, text in files:
        job.file(name, text)
    assert job.command("test").ok().out == "2 passed, 0 failed\n"


def test_the_first_five_minutes_go_as_written(job):
    job.command("new", "shop").ok()
    assert "0 failed" in job.command("test", "shop").ok().out
    job.command("run", "shop/job.lua", "--http", "off").ok()
    with sqlite3.connect(job.folder / "shop/target.db") as target:
        assert target.execute("SELECT count(*) FROM orders").fetchone()[0] > 0
    assert "read 7 =" in job.command("run", "shop/job.lua", "--http", "off", "--from", "earliest").ok().err


@pytest.mark.parametrize("path", ["README.md", "lua/README.md", "lua/VALUES.md", "scripts/README.md", "tests/README.md", "core/README.md",
                                  *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("examples/**/README.md")))])
def test_links_lead_somewhere(path):
    document = ROOT / path
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()) if "://" not in link]
    assert [link for link in links if link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_its_sql_reads_what_scripts_keep(job, request, into):
    job.name = "shop"
    payments = """return { source = "payments", key_by = { "account_id" }, process = function(row, state, ctx)
      state.n = (state.n or 0) + 1 ctx:map "seen"[row.country] = state.n end }"""
    views = """local sl = require "streamlua" return { source = "views", key_by = { "page" }, time = "at", window = sl.tumbling("1m", { out_of_order = "5m" }), target = "t",
      aggregate = { views = sl.count() } }"""
    events = [{"account_id": account, "country": country} for account, country in ((7, "de"), (8, "fr"), (7, "it"), (77, "de"), (7, "de"))]
    views_at = [{"page": page, "at": f"2024-01-31 12:0{minute}:00"} for page, minute in (("/", 0), ("/tea", 0), ("/", 0), ("/", 1))]
    job.file("payments", "".join(json.dumps(event) + "\n" for event in events)).file("views", "".join(json.dumps(event) + "\n" for event in views_at))
    format = Lua('sl.format(function(message) return { table = message.topic, row = sl.json.decode(message.value) } end)')
    found = into_either(job, request, into, file_source(["payments", "views"], format),
                        "CREATE TABLE t (page VARCHAR(20), window_start VARCHAR(30), window_end VARCHAR(30), views INT, PRIMARY KEY (page, window_start))",
                        payments=payments, views=views)
    job.run().ok()
    [block] = re.findall(r"^```sql\n(.*?)^```", readme(), re.M | re.S)
    counted, entries, minute = (sorted((tuple(str(cell).strip('"') for cell in row.values()) for row in found(statement)))
                                for statement in block.strip().rstrip(";").split(";"))
    assert counted == [("7", "3"), ("77", "1"), ("8", "1")]
    assert entries == [("de", "3"), ("it", "2")]
    assert minute == [("/", "2"), ("/tea", "1")]
