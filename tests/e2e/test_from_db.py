"""`streamlua new --from-db` and `streamlua types`: jobs and types from a database's schema."""

import json
import os
import pty
import re
import sqlite3
import subprocess

import pytest

from support import wait_for
from support.job import ROOT, streamlua

TYPES = ROOT / "lua/types/streamlua.lua"

SCHEMA = """
CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, `order-no` VARCHAR(3) NOT NULL, price DECIMAL(12,2), exact DECIMAL(30,10), whole DECIMAL(9,0) NOT NULL,
  state ENUM('it''s','b') NOT NULL, tags SET('x','y'), at DATETIME(6), stamp TIMESTAMP NULL, day DATE, span TIME, born YEAR, f FLOAT, d DOUBLE, bits BIT(10),
  id16 BINARY(16), bytes VARBINARY(20), raw BLOB, note LONGTEXT, flag TINYINT(1), body JSON, `end` INT, twice BIGINT AS (id * 2), `größe` VARCHAR(1));
CREATE TABLE `a/b` (x INT, y INT, PRIMARY KEY (y, x));
CREATE TABLE a_b (id INT PRIMARY KEY);
CREATE TABLE unit_test (id INT PRIMARY KEY);
CREATE TABLE log (line TEXT);
CREATE TABLE `d.t` (id INT PRIMARY KEY);
CREATE TABLE streamlua_progress (id INT PRIMARY KEY);
CREATE VIEW seen AS SELECT id FROM orders"""


@pytest.fixture
def schema(mariadb, database):
    mariadb.execute(SCHEMA, database=database)
    return f"mysql://{mariadb.user}@{mariadb.host}:{mariadb.port}/{database}"


def texts_of(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def luacheck(folder):
    """Debian's lua-check, which the tests' packages bring along."""
    done = subprocess.run(["luacheck", "-q", "--no-color", "."], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_job_is_written_from_a_schema(mariadb, database, schema, job):
    secret = mariadb.password
    made = job.command("new", "shop", "--from-db", schema, STREAMLUA_PASSWORD=secret).ok()
    assert made.out == "made shop with 4 scripts; next: cd shop && streamlua test\n"
    assert "`log` gets no script: it has no primary key" in made.err and "`d.t` gets no script: its name has a dot" in made.err
    assert "streamlua_progress" not in made.err and "seen" not in made.err

    folder = job.folder / "shop"
    files = texts_of(folder)
    assert set(files) == {"job.lua", "README.md", ".luarc.json", ".luacheckrc", "types/streamlua.lua", "types/tables.lua", "scripts/orders.lua",
                          "scripts/a_b.lua", "scripts/a_b_2.lua", "scripts/unit_test_.lua"}
    assert 'password = sl.env("STREAMLUA_PASSWORD", "")' in files["job.lua"]
    assert 'M.source  = "a/b"' in files["scripts/a_b.lua"] and 'M.source  = "unit_test"' in files["scripts/unit_test_.lua"]
    assert "M.source" not in files["scripts/orders.lua"] and re.search(r"-- twice: .*the others", files["scripts/orders.lua"])

    assert job.command("test", "shop").ok().out == "4 passed, 0 failed\n"
    checked = job.command("check", "shop/job.lua", STREAMLUA_PASSWORD=secret).ok()
    assert "a/b -> a/b (key y, x)" in checked.out
    luacheck(folder)


def test_the_written_job_runs(kafka, topic, mariadb, database, schema, job):
    """Its topics are those of the database's tables, with what connectors put before their names and without."""
    change = {"before": None, "source": {"db": database, "table": "a_b"}, "op": "c"}
    prefixed = kafka.create_topic(f"prefix.{database}.a_b", 1)
    kafka.produce([(name, 0, json.dumps({"id": number}), json.dumps(change | {"after": {"id": number}}))
                   for number, name in enumerate((topic("a_b"), prefixed), 1)])
    job.command("new", database, "--from-db", schema, STREAMLUA_PASSWORD=mariadb.password).ok()
    mariadb.execute("DROP TABLE streamlua_progress", database=database)  # which only looks like ours
    job.command("run", f"{database}/job.lua", "--http", "off", "--until", "latest", STREAMLUA_PASSWORD=mariadb.password, KAFKA_BROKERS=kafka.address).ok().counts(written=2)
    assert mariadb.table("a_b", database) == [{"id": "1"}, {"id": "2"}]
    kafka.delete_topic(prefixed)


def test_a_wrong_column_in_its_script_is_found(mariadb, schema, job):
    """The test and the check before are of some use."""
    job.command("new", "shop", "--from-db", schema, STREAMLUA_PASSWORD=mariadb.password).ok()
    script = job.folder / "shop/scripts/a_b_2.lua"
    script.write_text(script.read_text().replace('= "id"', '= "idd"'))
    assert job.command("test", "shop").code == 1
    script.write_text(script.read_text().replace("  id = ", "  idd = "))
    assert "idd" in job.command("check", "shop/job.lua", STREAMLUA_PASSWORD=mariadb.password).err


@pytest.fixture
def hidden(mariadb, database):
    """The password of the user `hidden`, which stands in no other word."""
    mariadb.execute("CREATE USER 'hidden'@'%' IDENTIFIED BY 'open:sesame@home'")
    mariadb.execute(f"GRANT SELECT ON `{database}`.* TO 'hidden'@'%'")
    yield "open:sesame@home"
    mariadb.execute("DROP USER 'hidden'@'%'")


def test_a_password_in_the_address_is_written_nowhere(mariadb, schema, hidden, job):
    job.command("new", "shop", "--from-db", schema.replace(f"{mariadb.user}@", f"hidden:{hidden.replace('@', '%40')}@")).ok()
    assert [name for name, text in texts_of(job.folder / "shop").items() if "sesame" in text] == []
    assert 'user = "hidden"' in (job.folder / "shop/job.lua").read_text()


def test_a_terminal_is_asked_for_the_password_and_does_not_show_it(mariadb, schema, hidden, job):
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "STREAMLUA_PASSWORD"}
    process = subprocess.Popen([streamlua(), "new", "shop", "--from-db", schema.replace(f"{mariadb.user}@", "hidden@")], cwd=job.folder, env=environment,
                               stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while not shown.endswith(b": "):
            shown += os.read(ours, 1000)
        assert shown.startswith(b"password of hidden at ")
        os.write(ours, hidden.encode() + b"\n")
        wait_for(lambda: process.poll() is not None, "the program ends")
        shown += os.read(ours, 100000)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert process.returncode == 0 and (job.folder / "shop/job.lua").exists(), shown
    assert b"sesame" not in shown


def test_what_cannot_be_read_is_said_and_nothing_is_made(mariadb, database, schema, job):
    secret = mariadb.password

    def refused(address, says, password=secret):
        result = job.command("new", "shop", "--from-db", address, STREAMLUA_PASSWORD=password)
        assert (result.code, result.out) == (2, "") and re.search(says, result.err), result.err
        assert "open-sesame" not in result.err and not (job.folder / "shop").exists()

    refused("postgres://x:open-sesame@y/z", "no database's address")
    refused(schema, "Access denied", password="open-sesame")
    refused(schema.replace("@", ":open-sesame@"), "Access denied")
    refused(schema + "x", f"{database}x")
    refused(re.sub(r":\d+/", ":1/", schema), r"127.0.0.1:1")
    refused("sqlite:there-is-none.db", "there-is-none.db")
    mariadb.execute("DROP VIEW seen; DROP TABLE orders, `a/b`, a_b, unit_test", database=database)
    refused(schema, r"`log` gets no script(.|\n)*no table that a script could be written for")
    assert job.command("check", "x.lua", "--from-db", "sqlite:x").code == 2


def test_types_follow_the_tables_of_the_sink(mariadb, database, schema, job):
    secret = {"STREAMLUA_PASSWORD": mariadb.password}
    job.command("new", "shop", "--from-db", schema, **secret).ok()
    tables = job.folder / "shop/types/tables.lua"
    before = tables.read_text()
    for line in ["---@class row.orders: streamlua.row", "---@field id integer|string bigint(20) unsigned (key)", '---@field ["order-no"] string varchar(3)',
                 "---@field price? number decimal(12,2)", "---@field exact? number|string decimal(30,10)", "---@field flag? integer tinyint(1)",
                 '---@field ["end"] integer|nil int(11)', "---@field born? integer year(4)", "---@class row.log: streamlua.row", "---@class script.a_b_2: streamlua.script"]:
        assert line in before.splitlines(), line

    mariadb.execute("ALTER TABLE a_b ADD name VARCHAR(9) NOT NULL", database=database)
    assert job.command("types", "shop/job.lua", **secret).ok().out == "wrote shop/types: streamlua.lua and tables.lua (tables: 6)\n"
    assert tables.read_text() == before.replace("---@field id integer int(11) (key)\n", "---@field id integer int(11) (key)\n---@field name string varchar(9)\n", 1)
    assert (job.folder / "shop/types/streamlua.lua").read_text() == TYPES.read_text()


def test_types_of_a_sink_without_columns_come_from_a_database(job):
    job.command("new", "shop").ok()
    path = job.folder / "shop/job.lua"
    path.write_text(re.sub(r'sl\.sink\.sqlite \{.*\}', "sl.sink.jsonl {}", path.read_text()))
    refused = job.command("types", "shop/job.lua")
    assert refused.code == 2 and "--from-db" in refused.err
    with sqlite3.connect(job.folder / "source.db") as source:
        source.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)")
    job.command("types", "shop/job.lua", "--from-db", "sqlite:source.db").ok()
    assert "row.other" in (job.folder / "shop/types/tables.lua").read_text()


def test_types_leaves_other_people_s_files_alone(job):
    job.command("new", "shop").ok()
    luacheck(job.folder / "shop")
    mine = job.folder / "shop/types/tables.lua"
    mine.write_text("-- mine\n")
    refused = job.command("types", "shop/job.lua")
    assert refused.code == 2 and "types/tables.lua" in refused.err and mine.read_text() == "-- mine\n"
    assert job.command("types", "no-such/job.lua").code == 2


def test_a_new_job_from_sqlite_writes_what_it_read(job):
    with sqlite3.connect(job.folder / "there.db") as there:
        there.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, price DECIMAL(10,2), sku VARCHAR(9), g INT AS (id + 1))")
    job.command("new", "shop", "--from-db", "sqlite:there.db").ok()
    assert job.command("test", "shop").ok().out == "1 passed, 0 failed\n"
    path = job.folder / "shop/job.lua"
    path.write_text(re.sub(r"sl\.source\.kafka \{.*?\n  \}", 'sl.source.file { path = "../in", format = "json", topic = "orders" }', path.read_text(), flags=re.S))
    job.file("in", '{"id":7,"price":1.25,"sku":"tea"}\n')
    job.command("run", "shop/job.lua", "--http", "off").ok().counts(written=1)
    with sqlite3.connect(job.folder / "there.db") as there:
        assert there.execute("SELECT * FROM orders").fetchall() == [(7, 1.25, "tea", 8)]


# ---- lua/types ----

def names_in(file, local):
    block = re.search(rf"^( *)local {local} = \{{\n(.*?)^\1\}}", (ROOT / "lua/streamlua" / f"{file}.lua").read_text(), re.M | re.S)
    names = re.findall(rf"^{block[1]}  (\w+) = ", block[2], re.M) + re.findall(rf"^{block[1]}  (?!end,)(\w+),$", block[2], re.M)
    assert names
    return names


@pytest.mark.parametrize("file, local, kind", [("script", "FIELDS", "script"), ("job", "OPTIONS", "job_options"), ("source", "KAFKA", "kafka_source"),
                                               ("source", "FILE", "file_source"), ("sink", "known", "server_sink"), ("sink", "KAFKA", "kafka_sink"),
                                               ("context", "FIELDS", "ctx")])
def test_editors_know_all_fields_and_no_other(file, local, kind):
    block = re.search(rf"---@class streamlua\.{kind}\n((?:---@field .*\n)+)", TYPES.read_text())
    assert sorted(re.findall(r"---@field (\w+)", block[1])) == sorted(names_in(file, local))


def test_editors_know_what_sl_and_ctx_can_do():
    text = TYPES.read_text()
    assert sorted(re.findall(r"^function ctx:(\w+)", text, re.M)) == sorted(names_in("context", "METHODS"))
    known = set(re.findall(r"^(?:function )?sl\.([\w.]+)", text, re.M)) | {"null"}
    table = re.search(r"^## require \"streamlua\"\n(.*?)^## ", (ROOT / "lua/README.md").read_text(), re.M | re.S)[1]
    assert {name.rstrip(".") for name in re.findall(r"\bsl\.([a-z][\w.]*)", table)} <= known
    engine = re.search(r"^return readonly\.new\(\"sl\", \{\n(.*)\Z", (ROOT / "lua/streamlua.lua").read_text(), re.M | re.S)[1]
    assert set(re.findall(r"^  (\w+) = ", engine, re.M)) == {name for name in known if "." not in name}
