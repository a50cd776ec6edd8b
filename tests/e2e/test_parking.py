"""Updates of rows that are not there yet: they wait, whatever dies meanwhile, and go in behind the row's insert, in their order."""

import random

from support.debezium import Table
from support.files import dead_letters, into_sqlite, rows, sqlite, tab_lines
from support.job import file_source, kafka_source, tidb_sink

ORDERS = 'return { columns = { id = "id", sku = "sku" } }'
PAYMENTS = 'return { target = "orders", write = "update", columns = { id = "order_id", paid = "amount", note = "note" } }'
SCHEMA = "CREATE TABLE orders (id INT PRIMARY KEY, sku VARCHAR(20), paid INT, note VARCHAR(20))"


def tables(topic=lambda name, **more: None):
    return (Table("orders", topic=topic("orders", partitions=2)),
            Table("payments", key=("order_id",), topic=topic("payments", partitions=2)))


def from_files(job, payments, orders, more={}, schema=SCHEMA, **scripts):
    job.file("payments.tsv", tab_lines(payments)).file("orders.tsv", tab_lines(orders))
    return into_sqlite(job, file_source(["payments.tsv", "orders.tsv"], key_separator="\t"), schema, more,
                       **{"orders": ORDERS, "payments": PAYMENTS, **scripts})


def from_kafka(job, kafka, mariadb, topics, database, port=None, **more):
    job.write(orders=ORDERS, payments=PAYMENTS)
    return job.job(kafka_source(kafka, topics), tidb_sink(mariadb, database, port=port), **more)


def parked(job):
    return job.http_json("/status")["totals"]["parked"]


def expected_rows(orders, payments):
    """The model: the last of each table's changes, put together."""
    found = {new["id"]: {"id": new["id"], "sku": new["sku"], "paid": None, "note": None} for _, _, _, new in orders.changes}
    for _, _, _, new in payments.changes:
        if new["order_id"] in found:
            found[new["order_id"]].update(paid=new["amount"], note=new["note"])
    return [found[id] for id in sorted(found)]


def test_update_before_insert_waits_for_it(job):
    orders, payments = tables()
    early = [payments.insert({"order_id": id, "amount": n, "note": f"n{n}"}) for n, id in enumerate((1, 1, 2, 1))]
    late = [orders.insert({"id": id, "sku": f"s{id}"}) for id in (1, 2, 3)]
    from_files(job, early, late).run().ok().counts(written=7)
    assert rows(job, "SELECT * FROM orders ORDER BY id") == expected_rows(orders, payments)
    assert rows(job, "SELECT * FROM streamlua_parked") == []


def test_a_row_that_never_comes_is_a_dead_letter_after_park_for(job):
    orders, payments = tables()
    [early] = [payments.insert({"order_id": 7, "amount": 1, "note": "x"})]
    ended = from_files(job, [early], [orders.insert({"id": 1, "sku": "a"})], {"park_for": "1s"}).run().ok()
    ended.counts(written=1, dead_letters=1)
    [letter] = dead_letters(job)
    assert (letter["stage"], letter["key"], letter["value"], letter["offset"]) == ("sink", early.key, early.value, 0)
    assert "orders has no row with id = 7" in letter["error"], letter["error"]
    assert rows(job, "SELECT * FROM streamlua_parked") == []


def test_one_that_is_stopped_stays_parked_and_the_next_run_takes_it_in(job):
    orders, payments = tables()
    from_files(job, [payments.insert({"order_id": 1, "amount": 5, "note": "x"})], [])
    job.start()
    job.wait_for(lambda: parked(job) == 1, "one is parked")
    assert "streamlua_parked 1" in job.http("/metrics")[1]
    ended = job.stop()
    assert ended.code == 0
    assert "stay parked in streamlua_parked, for the next run: 1 events" in ended.err
    [row] = rows(job, "SELECT * FROM streamlua_parked")
    assert (row["topic"], row["offset"], row["waits_for"]) == ("payments.tsv", 0, "orders")
    job.file("orders.tsv", tab_lines([orders.insert({"id": 1, "sku": "a"})]))
    job.run().ok().counts(written=2)
    assert rows(job, "SELECT * FROM orders") == [{"id": 1, "sku": "a", "paid": 5, "note": "x"}]


def test_a_row_that_somebody_else_makes_is_found(job):
    _, payments = tables()
    from_files(job, [payments.insert({"order_id": 1, "amount": 5, "note": "x"})], [])
    job.start()
    job.wait_for(lambda: parked(job) == 1, "one is parked")
    sqlite(job.folder / "out.db", "INSERT INTO orders (id, sku) VALUES (1, 'theirs')")
    assert job.wait().code == 0
    assert rows(job, "SELECT * FROM orders") == [{"id": 1, "sku": "theirs", "paid": 5, "note": "x"}]


def test_a_delete_takes_along_what_waits_for_its_row(job):
    orders, payments = tables()
    gone = {"order_id": 1, "amount": 1, "note": "a"}
    early = [payments.insert(gone), *payments.delete_with_tombstone(gone), payments.insert({"order_id": 2, "amount": 2, "note": "b"})]
    from_files(job, early, [orders.insert({"id": 2, "sku": "s2"})]).run().ok().counts(written=4, ignored=1)
    assert rows(job, "SELECT * FROM orders") == [{"id": 2, "sku": "s2", "paid": 2, "note": "b"}]
    assert rows(job, "SELECT * FROM streamlua_parked") == [] == dead_letters(job)


def test_keys_that_only_the_database_can_tell_apart_wait_too(job):
    users, visits = Table("users", key=("name",)), Table("visits", key=("name",))
    job.file("payments.tsv", tab_lines([visits.insert({"name": "Ann", "count": 1}), visits.insert({"name": "ANN", "count": 2})]))
    job.file("orders.tsv", tab_lines([users.insert({"name": "ann"})]))
    into_sqlite(job, file_source(["payments.tsv", "orders.tsv"], key_separator="\t"),
                "CREATE TABLE users (name TEXT PRIMARY KEY COLLATE NOCASE, count INT)",
                users="return {}", visits='return { target = "users", write = "update" }').run().ok().counts(written=3)
    assert rows(job, "SELECT count FROM users") == [{"count": 2}]


def test_from_earliest_forgets_what_is_parked(job):
    orders, payments = tables()
    from_files(job, [payments.insert({"order_id": 1, "amount": 5, "note": "x"})], [])
    job.start()
    job.wait_for(lambda: parked(job) == 1, "one is parked")
    job.stop()
    job.file("payments.tsv", tab_lines([payments.insert({"order_id": 2, "amount": 6, "note": "y"})]))
    job.file("orders.tsv", tab_lines([orders.insert({"id": id, "sku": "s"}) for id in (1, 2)]))
    job.run("--from", "earliest").ok().counts(written=3)
    assert [row["paid"] for row in rows(job, "SELECT paid FROM orders ORDER BY id")] == [None, 6]


def test_a_new_script_decides_what_becomes_of_what_is_parked(job):
    _, payments = tables()
    from_files(job, [payments.insert({"order_id": 1, "amount": 5, "note": "x"})], [])
    job.start()
    job.wait_for(lambda: parked(job) == 1, "one is parked")
    job.write(payments=PAYMENTS.replace('write = "update",', ""))
    job.reload()
    ended = job.wait()
    assert ended.code == 0
    ended.counts(written=1)
    assert rows(job, "SELECT * FROM orders") == [{"id": 1, "sku": None, "paid": 5, "note": "x"}]


def test_crashes_between_update_and_insert_lose_and_repeat_nothing(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute(SCHEMA, database=database)
    orders, payments = tables(topic)
    dice = random.Random(3)
    early = [payments.insert({"order_id": dice.randrange(300), "amount": n, "note": f"n{n}"}) for n in range(900)]
    kafka.produce(early)
    from_kafka(job, kafka, mariadb, [orders.topic, payments.topic], database, port=proxy.port)
    # The answer of a COMMIT that parks is lost: what it did is read back.
    cut = proxy.cut_answer(r"REPLACE INTO streamlua_parked \(")
    job.start("--workers", 2)
    cut.wait()
    job.wait_for(lambda: parked(job) == 900, "all are parked")
    job.kill()
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_parked", database=database) == 900
    job.start("--workers", 2)
    late = [orders.insert({"id": id, "sku": f"s{id}"}) for id in range(300)]
    more = [payments.insert({"order_id": dice.randrange(300), "amount": n, "note": f"n{n}"}) for n in range(900, 1500)]
    mixed = sorted(late + more, key=lambda record: dice.random() if record in late else more.index(record) / len(more))
    kafka.produce(mixed)
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders WHERE paid IS NOT NULL", database=database) > 100, "some are in")
    job.kill_worker()
    job.wait_for(lambda: mariadb.execute("SELECT * FROM orders ORDER BY id", database=database) == expected_rows(orders, payments),
                 "every row has its last payment")
    job.wait_for(lambda: parked(job) == 0, "nothing is parked")
    assert job.stop().code == 0
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_parked", database=database) == 0
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0
    # A bounded run finds that there is nothing left to do.
    job.run("--until", "latest").ok().counts()
    assert mariadb.execute("SELECT * FROM orders ORDER BY id", database=database) == expected_rows(orders, payments)
