"""Each error of the database does what core/io/mysql_errors.md says of it. The table is read here, row by row, and every error is
made in a real transaction: the statements before the one that fails are carried out by a real server."""

import re
from dataclasses import dataclass

import pytest

from support.debezium import Table
from support.job import ROOT, kafka_source, tidb_sink

STATES = {"event": "22001", "waits": "23000"}  # the rows by number say none; any will do there
KINDS = {"BUSY": "again", "ELSEWHERE": "elsewhere", "DUPLICATE": "waits", "REFUSED": "event", "FAILED": "job"}


@dataclass
class Case:
    number: int
    state: str
    text: str
    what: str

    def __str__(self):
        return f"{self.number}-{self.what}"


def documented():
    """(the rows by number, the rows by text and class)"""
    page = (ROOT / "core/io/mysql_errors.md").read_text()
    by_number = [Case(int(n), STATES.get(what, "HY000"), text, what)
                 for n, text, what in re.findall(r"^\| (\d+) \| ([^|]+?) \| (\w+) \|$", page, re.M)]
    others = [Case(7777 if n == "any other" else int(n), state, text, what)
              for n, state, text, what in re.findall(r"^\| (any other|\d+) \| (\w*) \| (.+?) \| (.+?) \|$", page, re.M)]
    return by_number, others


BY_NUMBER, OTHERS = documented()


def of_the_library(case):
    """Nobody sends these: the client makes them, of connections that break or never come about."""
    return 2000 <= case.number < 3000


def test_the_page_has_the_rows_of_the_source():
    source = (ROOT / "core/io/mysql_errors.c").read_text()
    known = re.findall(r"\{ (\d+), MYSQL_(\w+) \}", source)
    assert [(int(n), KINDS[kind]) for n, kind in known] == [(case.number, case.what) for case in BY_NUMBER]
    assert len(BY_NUMBER) > 100 and len(OTHERS) > 7


@pytest.fixture
def running(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(40))", database=database)
    job.orders = Table("orders", topic=topic())
    job.write(orders="return {}").job(kafka_source(kafka, job.orders.topic, config={"fetch.wait.max.ms": 10}),
                                      tidb_sink(mariadb, database, port=proxy.port, lanes=1))
    job.start()
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        def value(sql):
            cursor.execute(sql)
            return cursor.fetchone()[0]
        job.value = value
        yield job
    job.process and job.process.poll() is None and job.stop()


class Errors:
    """Makes one after the other, each for an event of its own."""

    def __init__(self, running, kafka, proxy):
        self.job, self.kafka, self.proxy, self.id = running, kafka, proxy, 0
        # One that meets none, so that the lane has its connection.
        kafka.produce([running.orders.insert({"id": 0, "note": "first"})])
        running.wait_for(self.written, "the first row")

    def meet(self, case, where, times):
        self.id += 1
        self.before = self.job.log()
        self.connections = self.proxy.accepted
        match = rf"INSERT INTO `orders`[^;]*'case {self.id}'" if where == "INSERT" else where
        self.rule = self.proxy.error(case.number, case.state, case.text, match, times=times, within=True)
        self.kafka.produce([self.job.orders.insert({"id": self.id, "note": f"case {self.id}"})])

    def written(self):
        return self.job.value(f"SELECT COUNT(*) FROM orders WHERE id = {self.id}") == 1

    def dead(self):
        return self.job.value(f"SELECT COUNT(*) FROM streamlua_dead_letters WHERE `offset` = {self.id}") == 1

    def said(self):
        return self.job.log()[len(self.before):]

    def expect(self, case, where="INSERT"):
        what, _, unknown = case.what.partition(", ")
        if what == "event":
            self.meet(case, where, times=10**9)
            self.job.wait_for(self.dead, f"the dead letter of {case}")
            error = self.job.value(f"SELECT error FROM streamlua_dead_letters WHERE `offset` = {self.id}")
            assert case.text in error and str(case.number) in error
            assert not self.written() and self.rule.hits == 1
        else:
            self.meet(case, where, times=1)
            self.job.wait_for(self.written, f"the row in spite of {case}")
            assert self.rule.hits == 1 and not self.dead(), case
            # The look at the target's schema has a connection of its own, whenever it comes.
            if what == "elsewhere":
                assert self.proxy.accepted > self.connections, f"{case}: no new connection"
            if what == "waits":
                assert "the target does not take" not in self.said()
            else:
                assert case.text in self.said() and str(case.number) in self.said()
        assert ("not known, tried again" in self.said()) == bool(unknown), case
        self.proxy.clear()


def test_each_error_does_what_its_row_says(running, kafka, proxy):
    errors = Errors(running, kafka, proxy)
    for case in BY_NUMBER + OTHERS:
        if not of_the_library(case):
            errors.expect(case)
    # TiDB tells of conflicts when it commits; whatever COMMIT answers, what became of it is read.
    for case in BY_NUMBER + OTHERS:
        if not of_the_library(case) and case.what in ("again", "elsewhere"):
            errors.expect(case, "COMMIT")
    assert running.value("SELECT COUNT(*) FROM streamlua_dead_letters") == sum(case.what == "event" for case in BY_NUMBER + OTHERS)
    assert running.stop().code == 0


def test_a_job_at_fault_waits_for_a_person_and_says_what_to_do(running, kafka, mariadb, database, proxy):
    """Real ones, not forged: each is mended by hand, and the row is written then."""
    faults = [
        ("RENAME TABLE orders TO away", "RENAME TABLE away TO orders", 1146),
        ("ALTER TABLE orders RENAME COLUMN note TO remark", "ALTER TABLE orders RENAME COLUMN remark TO note", 1054),
        ("REVOKE ALL PRIVILEGES, GRANT OPTION FROM streamlua@'127.0.0.1'", "GRANT ALL ON *.* TO streamlua@'127.0.0.1'", 1044),
        ("ALTER USER streamlua@'127.0.0.1' IDENTIFIED BY 'another'", "ALTER USER streamlua@'127.0.0.1' IDENTIFIED BY 'streamlua'", 1045),
    ]
    for number, (fault, cure, code) in enumerate(faults):
        before = len(running.log())
        mariadb.execute(fault, database=database)
        try:
            proxy.drop()
            kafka.produce([running.orders.insert({"id": number, "note": "waits"})])
            running.wait_for(lambda: f"(error {code}" in running.log()[before:], f"error {code}")
            running.wait_for(lambda: running.http("/readyz")[0] == 503 and str(code) in running.http("/readyz")[1], f"/readyz to say {code}")
        finally:
            mariadb.execute(cure, database=database)
        running.wait_for(lambda: running.value(f"SELECT COUNT(*) FROM orders WHERE id = {number}") == 1, f"the row after {code}")
    running.wait_for(running.ready, "/readyz")
    assert running.value("SELECT COUNT(*) FROM streamlua_dead_letters") == 0
    assert running.stop().code == 0


def test_a_table_that_cannot_be_asked_for_is_no_events_fault(running, kafka, mariadb, database, proxy):
    """The first event that a script sends to another table: its columns are asked for in the middle of it."""
    mariadb.execute("CREATE TABLE log (id INT PRIMARY KEY)", database=database)
    running.write(orders="""
local M = {}
function M.map(row, ctx)
  if row.note == "log it" then
    ctx:emit("log", { id = row.id })
  end
  return { id = row.id, note = row.note }
end
return M""")
    running.reload()
    running.wait_for(lambda: running.http_json("/status")["reloads"]["accepted"] == 1, "the script")
    kafka.produce([running.orders.insert({"id": 1, "note": "not yet"})])
    running.wait_for(lambda: running.value("SELECT COUNT(*) FROM orders") == 1, "the first row")
    proxy.refuse()
    proxy.drop()
    kafka.produce([running.orders.insert({"id": 2, "note": "log it"})])
    running.wait_for(lambda: f"the schema of `{database}` cannot be read" in running.log(), "the outage")
    proxy.accept()
    running.wait_for(lambda: running.value("SELECT COUNT(*) FROM log") == 1, "the row of the other table")
    assert running.value("SELECT COUNT(*) FROM streamlua_dead_letters") == 0
    assert running.stop().code == 0
