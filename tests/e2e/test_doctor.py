"""`streamlua doctor`: each of its checks, well and made to fail once; what it ends with; that it leaves everything as it was."""

import json
import os
import pty
import resource
import subprocess
import time

import pytest

from support.debezium import Table
from support.files import sqlite
from support.job import Lua, file_source, jsonl_sink, kafka_source, lua, sqlite_sink, streamlua

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))"
HOUR = 3600_000


def mariadb_sink(mariadb, database, **more):
    place = {"host": mariadb.host, "port": mariadb.port, "user": mariadb.user, "password": mariadb.password, "database": database}
    return Lua(f"sl.sink.mariadb {lua({**place, **more})}")


def findings(job, *words, code=0):
    """{(check, about): [finding ...]}, each with its text and change."""
    ended = job.command("doctor", "job.lua", *words)
    assert ended.code == code, f"{ended.out}\n{ended.err}"
    found = {}
    for line in ended.out.splitlines():
        each = json.loads(line)
        assert list(each) == ["finding", "check", "about", "text", "change"] and each["text"]
        assert (each["finding"] == "ok") <= (each["change"] is None)
        found.setdefault((each["check"], each["about"]), []).append(each)
    assert any(each["finding"] == "fail" for many in found.values() for each in many) == (code == 1)
    return found


def one(found, check, about=None):
    assert (check, about) in found, found.keys()
    [each] = found[check, about]
    return each


def bad(found):
    return {key: each for key, many in found.items() for each in many if each["finding"] != "ok"}


@pytest.fixture
def shop(kafka, mariadb, topic, database, job):
    """A job from a topic (job.topic) into a table t."""
    mariadb.execute(SCHEMA, database=database)
    job.topic = topic(partitions=2)
    job.write(t="return {}")
    return job.job(kafka_source(kafka, job.topic), mariadb_sink(mariadb, database))


def rows(job, numbers, partition=0, timestamp=None):
    table = Table("t", topic=job.topic)
    records = [table.insert({"id": i, "v": "x"}) for i in numbers]
    for record in records:
        record.partition, record.timestamp = partition, timestamp
    return records


def test_all_is_well_and_stays_as_it_was(shop, kafka, mariadb, database):
    kafka.produce(rows(shop, range(5)))
    found = findings(shop)
    assert bad(found) == {}
    assert {check for check, _ in found} == {"server", "variables", "limits", "clock", "tables", "scripts", "privileges", "order", "brokers",
                                             "topics", "retention", "group"}
    assert "5 messages to read" in one(found, "retention", shop.topic)["text"]
    assert "2 partitions" in found["topics", shop.topic][1]["text"]
    assert one(found, "privileges", "t")["text"] == "SELECT, INSERT, DELETE, UPDATE"
    assert "the job does not run" in one(found, "group", f"streamlua-{shop.name}")["text"]
    assert "first run" in one(found, "tables", "streamlua_progress")["text"]
    assert [list(row.values()) for row in mariadb.execute("SHOW TABLES", database=database)] == [["t"]]
    assert mariadb.value("SELECT count(*) FROM t", database=database) == 0
    assert set(kafka.committed(f"streamlua-{shop.name}", shop.topic).values()) == {None}


def test_it_may_be_asked_while_the_job_runs(shop, kafka, mariadb, database):
    kafka.produce(rows(shop, range(5)))
    shop.start().wait_for(lambda: mariadb.value("SELECT count(*) FROM t", database=database) == 5, "the rows")
    found = findings(shop)
    assert bad(found) == {}
    assert "1 member" in one(found, "group", f"streamlua-{shop.name}")["text"]
    assert one(found, "privileges", "streamlua_progress")["text"] == "SELECT, INSERT, DELETE, UPDATE"
    kafka.produce(rows(shop, range(5, 10)))
    shop.wait_for(lambda: mariadb.value("SELECT count(*) FROM t", database=database) == 10, "the rows behind it")
    assert shop.stop().code == 0


def test_in_a_terminal_it_is_text(job):
    sqlite(job.folder / "out.db", SCHEMA)
    job.file("in.tsv", "").write(t="return {}").job(file_source("in.tsv"), sqlite_sink("out.db"))
    ours, theirs = pty.openpty()
    ended = subprocess.run([streamlua(), "doctor", "job.lua"], cwd=job.folder, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert ended.returncode == 0, said
    assert any(line.startswith("ok    order      scripts/t.lua: t in the order of each row") for line in said.splitlines()), said
    assert "0 wrong" in ended.stderr


# ---- the source ----

def test_a_topic_that_is_not_there(shop, kafka, mariadb, database):
    shop.job(kafka_source(kafka, [shop.topic, "no-such-topic", f"{shop.name[:6]}.*none"]), mariadb_sink(mariadb, database))
    wrong = bad(findings(shop, code=1))
    assert set(wrong) == {("topics", "no-such-topic"), ("topics", f"{shop.name[:6]}.*none")}
    assert "`topics`" in wrong["topics", "no-such-topic"]["change"]


def test_brokers_that_are_away(shop, mariadb, database):
    nowhere = Lua('sl.source.kafka { brokers = "127.0.0.1:1", topics = { "t" }, format = "debezium" }')
    shop.job(nowhere, mariadb_sink(mariadb, database))
    broken = one(findings(shop, code=1), "brokers", "127.0.0.1:1")
    assert "refused" in broken["text"] and "`brokers`" in broken["change"]


def test_what_is_to_be_read_next_is_deleted(shop, kafka):
    kafka.produce(rows(shop, range(10)))
    shop.run("--until", "latest").ok().counts(written=10)
    kafka.produce(rows(shop, range(10, 20)))
    kafka.delete_records(shop.topic, 0, 10)
    assert bad(findings(shop)) == {}
    kafka.delete_records(shop.topic, 0, 15)
    gone = one(findings(shop, code=1), "retention", f"{shop.topic}:0")
    assert "offset 10 is to be read next, and is deleted: the broker keeps 15..20" in gone["text"] and "--from" in gone["change"]


def test_a_topic_that_was_made_anew(shop, kafka, mariadb, database):
    kafka.produce(rows(shop, range(3)))
    shop.run("--until", "latest").ok()
    mariadb.execute("UPDATE streamlua_progress SET next_offset = 1000 WHERE `partition` = 0", database=database)
    assert "the end is 3" in one(findings(shop, code=1), "retention", f"{shop.topic}:0")["text"]


@pytest.mark.parametrize("age, said", [(2, None), (20, "is deleted from 3 hours on"), (30, "is past its retention")])
def test_how_long_it_is_kept(shop, kafka, mariadb, database, topic, age, said):
    shop.topic = topic("kept", **{"retention.ms": 24 * HOUR})
    kafka.produce(rows(shop, [1], timestamp=int(time.time() * 1000) - age * HOUR))
    shop.job(kafka_source(kafka, shop.topic), mariadb_sink(mariadb, database))
    kept = one(findings(shop), "retention", shop.topic)
    assert (kept["finding"], kept["change"] is None) == (("warn", False) if said else ("ok", True))
    assert (said or "kept for 21 hours more") in kept["text"]


def test_a_size_that_deletes(shop, kafka, mariadb, database, topic):
    shop.topic = topic("sized", **{"retention.bytes": 1 << 30})
    shop.job(kafka_source(kafka, shop.topic), mariadb_sink(mariadb, database))
    assert "retention.bytes is 1073741824" in bad(findings(shop))["retention", shop.topic]["text"]


def test_progress_of_a_sink_that_keeps_none_is_the_group_s(shop, kafka):
    shop.job(kafka_source(kafka, shop.topic), jsonl_sink("out.jsonl"))
    kafka.produce(rows(shop, range(4)))
    assert "4 messages to read" in one(findings(shop), "retention", shop.topic)["text"]
    shop.run("--until", "latest").ok()
    assert "0 messages to read" in one(findings(shop), "retention", shop.topic)["text"]


def test_a_file_that_is_not_there(job):
    sqlite(job.folder / "out.db", SCHEMA)
    job.file("a.tsv", "").write(t="return {}").job(Lua('sl.source.file { path = { "a.tsv", "b.tsv" }, format = "debezium" }'), sqlite_sink("out.db"))
    found = findings(job, code=1)
    assert set(bad(found)) == {("file", "b.tsv")} and one(found, "file", "a.tsv")["finding"] == "ok"


# ---- the target ----

@pytest.fixture
def user(mariadb, database, unique):
    """Makes a user who may do that: user("SELECT ON `db`.*")."""
    name = unique[-30:]

    def make(*grants):
        mariadb.execute(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'p'" + "".join(f"; GRANT {grant} TO '{name}'@'127.0.0.1'" for grant in grants))
        return {"user": name, "password": "p"}
    yield make
    mariadb.execute(f"DROP USER IF EXISTS '{name}'@'127.0.0.1'")


def test_a_user_without_privileges(shop, kafka, mariadb, database, user):
    limited = mariadb_sink(mariadb, database, **user(f"SELECT, UPDATE ON `{database}`.*"))
    shop.job(kafka_source(kafka, shop.topic), limited)
    wrong = findings(shop, code=1)
    denied = wrong["privileges", "t"]
    assert [each["change"] for each in denied] == ["GRANT INSERT ON it TO the job's user", "GRANT DELETE ON it TO the job's user"]
    assert "INSERT command denied" in denied[0]["text"]
    missing = one(wrong, "tables", "streamlua_progress")
    assert "cannot be made" in missing["text"] and "GRANT CREATE" in missing["change"]


def test_a_user_who_may_no_more_than_needed(shop, kafka, mariadb, database, user):
    enough = mariadb_sink(mariadb, database, **user(f"SELECT, INSERT, UPDATE, DELETE, CREATE ON `{database}`.*"))
    shop.job(kafka_source(kafka, shop.topic), enough)
    assert bad(findings(shop)) == {}


def test_a_clock_that_is_wrong(shop, kafka, mariadb, database, user):
    enough = mariadb_sink(mariadb, database, **user(f"SELECT, INSERT, UPDATE, DELETE, CREATE ON `{database}`.*"))
    shop.job(kafka_source(kafka, shop.topic), enough)
    mariadb.execute(f"SET GLOBAL init_connect = 'SET timestamp = {int(time.time()) - 7200}'")
    try:
        wrong = bad(findings(shop))
    finally:
        mariadb.execute("SET GLOBAL init_connect = ''")
    assert set(wrong) == {("clock", None)} and "behind" in wrong["clock", None]["text"]


def test_the_server_s_variables(shop, mariadb):
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576, GLOBAL read_only = 1")
    try:
        wrong = bad(findings(shop))
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = 67108864, GLOBAL read_only = 0")
    assert set(wrong) == {("variables", "max_allowed_packet"), ("variables", "read_only"), ("limits", "message")}
    assert "1048576 bytes" in wrong["variables", "max_allowed_packet"]["text"]


def test_another_kind_of_server_than_the_job_says(shop, kafka, mariadb, database):
    shop.job(kafka_source(kafka, shop.topic), Lua(mariadb_sink(mariadb, database).replace("sink.mariadb", "sink.tidb")))
    assert bad(findings(shop))["server", None]["change"] == "write sl.sink.mariadb in job.lua"


def test_a_target_that_is_away_is_one_finding_and_the_rest_is_looked_at(shop, kafka, mariadb, database):
    shop.job(kafka_source(kafka, shop.topic), mariadb_sink(mariadb, database, port=1))
    found = findings(shop, code=1)
    assert set(bad(found)) == {("target", "mariadb")} and one(found, "group", f"streamlua-{shop.name}")["finding"] == "ok"


def test_a_table_that_is_not_there(shop, mariadb, database):
    mariadb.execute("DROP TABLE t", database=database)
    assert "scripts/t.lua" in bad(findings(shop, code=1))["scripts", None]["text"]


def test_indexes_that_force_the_order_of_the_table(shop, mariadb, database):
    mariadb.execute("CREATE TABLE u (id INT PRIMARY KEY, email VARCHAR(50), UNIQUE KEY by_email (email)); "
                    "CREATE TABLE c (name VARCHAR(50) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)", database=database)
    shop.write(u="return {}", c="return {}", said='return { target = "u", source = { "said" }, key_by = "table" }')
    found = findings(shop)
    assert set(bad(found)) == {("order", "scripts/u.lua"), ("order", "scripts/c.lua")}
    assert "another unique index, by_email" in one(found, "order", "scripts/u.lua")["text"]
    assert "key column name (varchar(50))" in one(found, "order", "scripts/c.lua")["text"]
    assert "as key_by says" in one(found, "order", "scripts/said.lua")["text"]


def test_tables_of_an_earlier_version_are_told(shop, kafka, mariadb, database, user):
    shop.run("--until", "latest").ok()
    mariadb.execute("ALTER TABLE streamlua_dead_letters DROP COLUMN part", database=database)
    found = findings(shop)
    assert bad(found) == {} and "the next run adds the column part" in one(found, "tables", "streamlua_dead_letters")["text"]
    shop.job(kafka_source(kafka, shop.topic), mariadb_sink(mariadb, database, **user(f"SELECT, INSERT, UPDATE, DELETE, CREATE ON `{database}`.*")))
    assert bad(findings(shop, code=1))["tables", "streamlua_dead_letters"]["change"].startswith("ALTER TABLE streamlua_dead_letters ADD COLUMN part")


def test_no_file_of_sqlite(job):
    job.file("in.tsv", "").file("out.db", "this is no database at all, but a text that is long enough to be looked at as one").write(t="return {}")
    job.job(file_source("in.tsv"), sqlite_sink("out.db"))
    assert any(check == "server" for check, _ in bad(findings(job, code=1)))


# ---- limits ----

def test_more_workers_than_there_is_room_for(shop):
    wrong = bad(findings(shop, "--workers", 1000, code=1))
    assert "12000 are needed" in wrong["limits", "connections"]["text"]
    assert wrong["limits", "memory"]["finding"] == "fail"
    assert "2 partitions for 1000 workers" in wrong["topics", shop.topic]["text"]


def test_too_few_open_files(job):
    sqlite(job.folder / "out.db", SCHEMA)
    job.file("in.tsv", "").write(t="return {}").job(file_source("in.tsv"), sqlite_sink("out.db"))
    ended = subprocess.run([streamlua(), "doctor", "job.lua"], cwd=job.folder, capture_output=True, text=True,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
    assert ended.returncode == 0
    [few] = [each for each in map(json.loads, ended.stdout.splitlines()) if each["about"] == "open files"]
    assert few["finding"] == "warn" and "may have 40" in few["text"]


# ---- usage ----

def test_a_job_that_cannot_be_read_is_wrong_usage(job):
    ended = job.file("job.lua", "return {").command("doctor", "job.lua")
    assert (ended.code, ended.out) == (2, "") and "job.lua" in ended.err
    assert job.command("doctor").code == 2
