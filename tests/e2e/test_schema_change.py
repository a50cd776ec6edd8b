"""The target's schema changes while a job runs: it goes on without a restart, and no value is lost on the way."""

import os
import signal

import pytest

from support.debezium import Table
from support.job import kafka_source, tidb_sink


class Running:
    def __init__(self, kafka, mariadb, topic, database, job, script="return {}", port=None, partitions=1, options=(), **more):
        mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, name VARCHAR(10))", database=database)
        self.kafka, self.mariadb, self.database, self.job = kafka, mariadb, database, job
        self.orders = Table("orders", topic=topic("orders", partitions=partitions), schemas=more.pop("schemas", False))
        job.write(orders=script)
        job.job(kafka_source(kafka, self.orders.topic), tidb_sink(mariadb, database, port=port, lanes=1), **more).start(*options)

    def insert(self, **row):
        self.kafka.produce([self.orders.insert(row)])

    def alter(self, what):
        self.mariadb.execute(f"ALTER TABLE orders {what}", database=self.database)

    def rows(self, columns="id, name"):
        return [tuple(row.values()) for row in self.mariadb.execute(f"SELECT {columns} FROM orders ORDER BY id", database=self.database)]

    def expect(self, rows, columns="id, name"):
        self.job.wait_for(lambda: self.rows(columns) == rows, f"{rows}")

    def expect_a_clean_end(self):
        status = self.job.http_json("/status")
        assert [worker["restarts"] for worker in status["workers"] if worker["restarts"]] == []
        assert status["totals"]["dead"] == 0 and status["reloads"]["accepted"] == 0
        assert self.job.stop().code == 0


@pytest.fixture
def run(kafka, mariadb, topic, database, job):
    return lambda *args, **more: Running(kafka, mariadb, topic, database, job, *args, **more)


def test_the_first_row_that_brings_a_new_column_has_its_value_written(run):
    orders = run()
    orders.insert(id=1, name="a")
    orders.expect([(1, "a")])
    orders.alter("ADD COLUMN city VARCHAR(10)")
    orders.insert(id=2, name="b", city="Ulm")
    orders.insert(id=3, name="c", city="Bonn")
    orders.expect([(1, "a", None), (2, "b", "Ulm"), (3, "c", "Bonn")], "id, name, city")
    # And another one, right behind it.
    orders.alter("ADD COLUMN zip INT")
    orders.insert(id=4, name="d", city="Köln", zip=50667)
    orders.job.wait_for(lambda: len(orders.rows()) == 4, "the fourth row")
    assert orders.rows("id, city, zip")[3] == (4, "Köln", 50667)
    orders.expect_a_clean_end()


def test_a_column_that_came_before_the_target_had_it_is_written_once_it_does(run):
    orders = run()
    orders.insert(id=1, name="a", city="Ulm")
    orders.expect([(1, "a")])
    orders.alter("ADD COLUMN city VARCHAR(10)")
    orders.job.wait_for(lambda: "schema has changed" in orders.job.log(), "the look at the schema")
    orders.insert(id=2, name="b", city="Bonn")
    orders.expect([(1, "a", None), (2, "b", "Bonn")], "id, name, city")
    orders.expect_a_clean_end()


def test_a_dropped_column_is_left_out_and_a_renamed_one_with_it(run):
    orders = run()
    orders.alter("ADD COLUMN city VARCHAR(10), ADD COLUMN zip INT")
    orders.insert(id=1, name="a", city="Ulm", zip=1)
    orders.expect([(1, "a", "Ulm", 1)], "id, name, city, zip")
    orders.alter("DROP COLUMN zip, CHANGE COLUMN city town VARCHAR(10)")
    orders.insert(id=2, name="b", city="Bonn", zip=2)
    orders.expect([(1, "a", "Ulm"), (2, "b", None)], "id, name, town")
    orders.expect_a_clean_end()


def test_a_script_that_does_not_fit_any_more_says_so_and_goes_on_when_it_does(run):
    orders = run('return { columns = { id = "id", name = "name" } }')
    orders.insert(id=1, name="a")
    orders.expect([(1, "a")])
    orders.alter("CHANGE COLUMN name label VARCHAR(10)")
    orders.insert(id=2, name="b")
    orders.job.wait_for(lambda: "scripts do not fit" in orders.job.log(), "the reason")
    assert "has no column name (it has id, label)" in orders.job.log()
    orders.job.wait_for(lambda: not orders.job.ready(), "readiness to end")
    orders.alter("CHANGE COLUMN label name VARCHAR(10)")
    orders.expect([(1, "a"), (2, "b")])
    orders.expect_a_clean_end()


def test_a_wider_column_and_another_key_are_seen(run):
    orders = run()
    orders.insert(id=1, name="a")
    orders.expect([(1, "a")])
    orders.alter("MODIFY COLUMN id BIGINT UNSIGNED, MODIFY COLUMN name VARCHAR(100)")
    orders.job.wait_for(lambda: "schema has changed" in orders.job.log(), "the look at the schema")
    orders.insert(id=-1, name="b" * 100)  # 2^64 - 1, as the connector writes it
    orders.expect([(1, "a"), (2**64 - 1, "b" * 100)])
    orders.expect_a_clean_end()


def test_a_script_reloaded_after_a_change_meets_the_schema_as_it_is(run):
    orders = run()
    orders.insert(id=1, name="a")
    orders.expect([(1, "a")])
    orders.alter("ADD COLUMN city VARCHAR(10)")
    orders.insert(id=2, name="b", city="Ulm")
    orders.expect([(1, None), (2, "Ulm")], "id, city")
    orders.job.write(orders='return { columns = { id = "id", name = "city" } }').reload()
    orders.job.wait_for(lambda: orders.job.http_json("/status")["reloads"]["accepted"] == 1, "the reload")
    orders.insert(id=3, name="c", city="Bonn")
    orders.job.wait_for(lambda: len(orders.rows()) == 3, "the third row")
    assert orders.rows()[2] == (3, "Bonn")
    assert orders.job.stop().code == 0


def test_a_column_that_comes_while_a_reload_is_made_ready_is_written(run):
    # A worker that has the new scripts ready waits for the other one, which does not answer.
    orders = run(partitions=2, options=("--workers", 2))
    job = orders.job

    def insert(id, **row):
        orders.kafka.produce([orders.orders.insert({"id": id + partition, **row}, partition=partition) for partition in range(2)])

    insert(0, name="a")
    orders.expect([(0, "a"), (1, "a")])
    job.wait_for(lambda: all(worker["read"] for worker in job.http_json("/status")["workers"]), "each worker to have a partition")
    frozen = job.http_json("/status")["workers"][1]["pid"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        job.write(orders="return { on_error = 'stop' }").reload()
        for n in range(1, 7):
            orders.alter(f"ADD COLUMN c{n} INT")
            insert(10 * n, **{f"c{n}": n})
            job.wait_for(lambda: len(orders.rows()) > 1 + n, f"row {n}")
            assert set(orders.rows(f"c{n}")) == {(None,), (n,)}, n
    finally:
        os.kill(frozen, signal.SIGCONT)
