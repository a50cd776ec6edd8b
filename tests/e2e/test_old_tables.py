"""Tables of our own that an earlier version made get the columns that they lack."""

import pytest

from support.files import dead_letters, into_sqlite, rows, sqlite, tab_lines
from support.debezium import Table
from support.job import file_source, tidb_sink

# As the first version made them.
OLD_LETTERS = """CREATE TABLE streamlua_dead_letters (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, job VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL,
  `offset` BIGINT NOT NULL, source_table VARCHAR(256) NULL, stage VARCHAR(16) NOT NULL, error TEXT NOT NULL,
  script_version VARCHAR(32) NOT NULL, `key` LONGBLOB NULL, `value` LONGBLOB NULL, headers LONGTEXT NULL,
  at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), KEY (job, at))"""
OLD_PARKED = """CREATE TABLE streamlua_parked (
  job VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL, `offset` BIGINT NOT NULL, part BIGINT NOT NULL,
  waits_for VARCHAR(256) NULL, `keys` MEDIUMBLOB NOT NULL, message_topic VARCHAR(2000) NULL, message_partition INT NULL,
  message_offset BIGINT NULL, time_ms BIGINT NOT NULL, script_version VARCHAR(32) NOT NULL, `key` LONGBLOB NULL, `value` LONGBLOB NULL,
  headers LONGTEXT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), PRIMARY KEY (job, topic, `partition`, `offset`, part))"""
A_LETTER = "INSERT INTO streamlua_dead_letters (job, topic, `partition`, `offset`, stage, error, script_version) VALUES ('x', 'y', 0, 5, 'sink', 'old', '1')"
SCRIPT = "return { filter = function(row) if row.id == 2 then error 'no twos' end return true end }"


def for_sqlite(text):
    return text.replace("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT").replace(", KEY (job, at)", "").replace("(3)", "")


@pytest.fixture
def small(job):
    job.file("in.tsv", tab_lines(Table("t").insert({"id": i}) for i in (1, 2, 3)))
    return job


def test_in_mariadb(small, mariadb, database):
    mariadb.execute(f"CREATE TABLE t (id INT PRIMARY KEY); {OLD_LETTERS}; {OLD_PARKED}; {A_LETTER}", database=database)
    small.write(t=SCRIPT).job(file_source("in.tsv", key_separator="\t"), tidb_sink(mariadb, database))
    first = small.run().ok()
    assert first.err.count("is of an earlier version: column") == 6, first.err
    letters = mariadb.execute("SELECT error, part, time_ms, progress_topic FROM streamlua_dead_letters ORDER BY id", database=database)
    assert [letter["error"][:3] for letter in letters] == ["old", "scr"] and letters[0]["part"] == 0
    small.write(t="return {}")
    assert small.command("dead-letters", "job.lua", "replay").code == 0
    assert [row["id"] for row in mariadb.table("t", database)] == ["1", "2", "3"]
    assert "earlier version" not in small.run().ok().err


def test_a_user_who_may_not_alter_is_told_what_to_run(small, mariadb, database, unique):
    mariadb.execute(f"CREATE TABLE t (id INT PRIMARY KEY); {OLD_LETTERS}; CREATE USER '{unique[:30]}' IDENTIFIED BY 'p'; "
                    f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `{database}`.* TO '{unique[:30]}'", database=database)
    small.write(t=SCRIPT).job(file_source("in.tsv", key_separator="\t"), tidb_sink(mariadb, database))
    small.file("job.lua", (small.folder / "job.lua").read_text().replace('["user"] = "streamlua"', f'["user"] = "{unique[:30]}"')
               .replace('["password"] = "streamlua"', '["password"] = "p"'))
    try:
        told = small.run()
        assert told.code == 2 and "run: ALTER TABLE streamlua_dead_letters ADD COLUMN part" in told.err, told
    finally:
        mariadb.execute(f"DROP USER '{unique[:30]}'")


def test_in_sqlite(small):
    into_sqlite(small, file_source("in.tsv", key_separator="\t"), "CREATE TABLE t (id INT NOT NULL PRIMARY KEY)", t=SCRIPT)
    sqlite(small.folder / "out.db", ";".join(map(for_sqlite, (OLD_LETTERS, OLD_PARKED, A_LETTER))) + ";")
    small.run().ok()
    assert len(dead_letters(small)) == 2
    small.write(t="return {}")
    assert small.command("dead-letters", "job.lua", "replay").code == 0
    assert [row["id"] for row in rows(small)] == [1, 2, 3]
