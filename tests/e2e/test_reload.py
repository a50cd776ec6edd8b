"""Scripts are swapped while events flow: all or nothing, and each row is one version's."""

import threading

from support import wait_for
from support.debezium import Table
from support.job import kafka_source, tidb_sink


def script(version, more=""):
    return f'''
return {{ {more} map = function(row, ctx)
  ctx:emit("log", {{ id = row.id, version = {version}, place = ctx.offset }})
  return {{ id = row.id, version = {version} }}
end }}'''


class Running:
    """A job of one table that writes its script's version into every row."""

    def __init__(self, kafka, mariadb, topic, database, job, *options, port=None, partitions=2, lanes=8):
        mariadb.execute("""CREATE TABLE orders (id INT PRIMARY KEY, version INT);
            CREATE TABLE users (id INT PRIMARY KEY, version INT);
            CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id INT, version INT, place INT)""", database=database)
        self.kafka, self.mariadb, self.database, self.job = kafka, mariadb, database, job
        self.orders = Table("orders", topic=topic("orders", partitions=partitions))
        self.users = Table("users", topic=topic("users"))
        self.partitions, self.next_id = partitions, 0
        job.write(orders=script(1))
        job.job(kafka_source(kafka, [self.orders.topic, self.users.topic]), tidb_sink(mariadb, database, port=port, lanes=lanes)).start(*options)

    def produce(self, count):
        self.kafka.produce([self.orders.insert({"id": i}, partition=i % self.partitions) for i in range(self.next_id, self.next_id + count)])
        self.next_id += count

    def written(self, table="orders"):
        return self.mariadb.value(f"SELECT COUNT(*) FROM {table}", database=self.database)

    def version_of_new_rows(self):
        """What version writes an event that comes now."""
        self.produce(1)
        self.job.wait_for(lambda: self.written() == self.next_id, "all rows")
        return self.mariadb.value("SELECT version FROM orders WHERE id = %s", self.next_id - 1, database=self.database)

    def expect_a_clean_end(self):
        """No worker had to be replaced, which would have hidden what went wrong."""
        assert [worker["restarts"] for worker in self.job.http_json("/status")["workers"] if worker["restarts"]] == []
        assert self.job.stop().code == 0

    def reloads(self, how):
        return self.job.http_json("/status")["reloads"][how]


def test_under_load_each_row_is_one_version_s_and_versions_do_not_go_back(kafka, mariadb, topic, database, job):
    # One lane: the order of its rows is the order of the partition.
    run = Running(kafka, mariadb, topic, database, job, "--workers", 2, lanes=1)
    producer = threading.Thread(target=lambda: [run.produce(400) for _ in range(25)])
    producer.start()
    for version in range(2, 7):
        before = run.written()
        job.write(orders=script(version))
        job.reload()
        job.wait_for(lambda: run.reloads("accepted") == version - 1, f"version {version}")
        job.wait_for(lambda: run.written() > before or not producer.is_alive(), "rows")
    producer.join()
    assert run.version_of_new_rows() == 6

    log = mariadb.execute("SELECT id, version, place FROM log ORDER BY id % 2, place", database=database)
    assert [row["id"] for row in log] == sorted(range(run.next_id), key=lambda i: (i % 2, i))
    for partition in range(2):
        versions = [row["version"] for row in log if row["id"] % 2 == partition]
        assert versions == sorted(versions)
    assert mariadb.execute("SELECT o.id FROM orders o JOIN log l ON o.id = l.id WHERE o.version <> l.version", database=database) == []
    assert len({row["version"] for row in log}) > 2
    # The version stands beside the offsets.
    last = [row["script_version"] for row in mariadb.execute("SELECT script_version FROM streamlua_progress ORDER BY updated_at DESC", database=database)][0]
    assert last == job.http_json("/status")["version"]
    run.expect_a_clean_end()


def test_what_waits_behind_a_slow_transaction_is_the_new_version_s(kafka, mariadb, topic, database, proxy, job):
    run = Running(kafka, mariadb, topic, database, job, port=proxy.port, lanes=1, partitions=1)
    held = proxy.hold("COMMIT")
    run.produce(5)
    held.wait()
    run.produce(50)
    job.wait_for(lambda: job.http_json("/status")["totals"]["read"] == 55, "all to be read")
    before = job.http_json("/status")["version"]
    job.write(orders=script(2)).reload()
    # The master says so as it tells its workers to swap.
    job.wait_for(lambda: job.http_json("/status")["version"] != before, "the reload to wait for the transaction")
    held.release()
    job.wait_for(lambda: run.written() == 55 and run.reloads("accepted") == 1, "the swap")
    versions = [row["version"] for row in mariadb.execute("SELECT version FROM log ORDER BY place", database=database)]
    assert versions == sorted(versions) and versions[0] == 1 and versions[-1] == 2 and versions.count(1) <= 5, versions
    run.expect_a_clean_end()


def test_events_are_written_while_the_target_is_asked_for_its_schema(kafka, mariadb, topic, database, proxy, job):
    run = Running(kafka, mariadb, topic, database, job, port=proxy.port)
    run.produce(10)
    job.wait_for(lambda: run.written() == 10, "the rows before")
    held = proxy.hold("information_schema.columns", nth=2, times=10)  # the check asks first
    job.write(orders=script(2)).reload()
    held.wait()
    run.produce(10)
    job.wait_for(lambda: run.written() == 20, "the rows of the old version")
    held.release()
    job.wait_for(lambda: run.reloads("accepted") == 1, "the reload")
    assert run.version_of_new_rows() == 2
    run.expect_a_clean_end()


def test_watch_takes_what_is_saved_and_refuses_what_is_broken(kafka, mariadb, topic, database, job):
    run = Running(kafka, mariadb, topic, database, job, "--watch")
    assert run.version_of_new_rows() == 1
    job.write(orders=script(2))
    job.wait_for(lambda: run.reloads("accepted") == 1, "the saved script")
    assert run.version_of_new_rows() == 2

    job.write(orders="local M = {}\n\nfunction M.map(row) retrun row end\nreturn M\n")
    job.wait_for(lambda: run.reloads("rejected") == 1, "the broken script")
    assert "scripts/orders.lua:3:" in job.log() and "scripts/orders.lua:3:" in run.reloads("last_error")
    assert run.version_of_new_rows() == 2
    job.write(orders=script(3), users='return { columns = { id = "id", version = "no_such_column_matters_not" }, target = "nowhere" }')
    job.wait_for(lambda: run.reloads("rejected") == 2, "the script whose target is not there")
    assert "nowhere" in job.log() and run.version_of_new_rows() == 2  # the good one beside it waits too: all or nothing
    job.write(users="return {}")
    job.wait_for(lambda: run.reloads("accepted") == 2, "the repaired scripts")
    assert run.version_of_new_rows() == 3
    assert job.ready()
    run.expect_a_clean_end()


def test_a_new_script_is_picked_up_and_a_removed_one_dropped(kafka, mariadb, topic, database, job):
    run = Running(kafka, mariadb, topic, database, job)

    def users(first):
        kafka.produce([run.users.insert({"id": i, "version": 0}) for i in range(first, first + 10)])

    users(0)
    job.wait_for(lambda: job.http_json("/status")["totals"]["unmatched"] == 10, "rows that no script serves")
    job.write(users="return {}").reload()
    job.wait_for(lambda: run.reloads("accepted") == 1, "the new script")
    users(10)
    job.wait_for(lambda: run.written("users") == 10, "its rows")
    (job.folder / "scripts/users.lua").unlink()
    job.reload()
    job.wait_for(lambda: run.reloads("accepted") == 2, "the reload without it")
    users(20)
    job.wait_for(lambda: job.http_json("/status")["totals"]["unmatched"] == 20, "rows that no script serves any more")
    assert [row["id"] for row in mariadb.execute("SELECT id FROM users ORDER BY id", database=database)] == list(range(10, 20))
    assert run.version_of_new_rows() == 1
    run.expect_a_clean_end()


def test_a_failing_example_refuses_the_reload(kafka, mariadb, topic, database, job):
    run = Running(kafka, mariadb, topic, database, job)
    job.write(orders=script(2, 'examples = { { op = "insert", row = { id = 1 }, expect = { { row = { id = 1, version = 3 } } } } },')).reload()
    job.wait_for(lambda: run.reloads("rejected") == 1, "the refusal")
    assert "example" in run.reloads("last_error") and "scripts/orders.lua" in run.reloads("last_error")
    assert run.version_of_new_rows() == 1
    job.write(orders=script(2)).reload()
    job.wait_for(lambda: run.reloads("accepted") == 1, "the script without it")
    assert run.version_of_new_rows() == 2
    run.expect_a_clean_end()


def test_a_worker_that_is_killed_after_a_reload_comes_back_with_the_new_scripts(kafka, mariadb, topic, database, job):
    run = Running(kafka, mariadb, topic, database, job)
    job.write(orders=script(2)).reload()
    job.wait_for(lambda: run.reloads("accepted") == 1, "the reload")
    # What lies in the folder but was refused is not what a new worker starts with.
    job.write(orders="return { nonsense = 1 }").reload()
    job.wait_for(lambda: run.reloads("rejected") == 1, "the refusal")
    killed = job.kill_worker()
    wait_for(lambda: job.workers() and killed not in job.workers(), "another worker")
    assert run.version_of_new_rows() == 2
    assert job.stop().code == 0
