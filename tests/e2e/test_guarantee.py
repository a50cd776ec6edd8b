"""The promise itself, on a real broker and a real database: nothing lost, nothing twice, in order by key, whatever is killed.

The log that grows by one row an event (its key is the database's own) is the proof that nothing was applied twice: it is not
idempotent, so a second application would show."""

import random
import threading
from decimal import Decimal

from support import debezium, wait_for
from support.job import Job, kafka_source, tidb_sink
from support.oracle import Oracle, Table

COUNTED = """
local M = {}
function M.map(row, ctx)
  ctx:emit("log", { id = row.id, part = ctx.partition, off = ctx.offset, version = VERSION })
  return { id = row.id, customer_id = row.customer_id, amount = row.amount, note = row.note }
end
return M
"""

SCHEMA = """
CREATE TABLE orders (id BIGINT PRIMARY KEY, customer_id INT, amount DECIMAL(30,10), note VARCHAR(200));
CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT, part INT, off BIGINT, version INT);
"""

NOTES = ["plain", None, "é 🐘 ünï", "it's \\ a \"quote\"", "", "`tick`; DROP TABLE orders", "x" * 190]


def script(version=1):
    return COUNTED.replace("VERSION", str(version))


def changes(orders, seed, count, first_id=1):
    """Inserts, updates, deletes and key changes of one table, each record's partition by its key."""
    dice, live, records, next_id = random.Random(seed), {}, [], first_id

    def row():
        return {"customer_id": dice.randrange(100), "amount": Decimal(dice.randrange(-10**12, 10**12)).scaleb(-10), "note": dice.choice(NOTES)}

    for _ in range(count):
        choice = dice.random()
        if choice < 0.5 or not live:
            new = {"id": next_id, **row()}
            next_id += 1
            live[new["id"]] = new
            records.append(orders.insert(new))
        elif choice < 0.85:
            old = live[dice.choice(list(live)[-200:])]
            new = {**old, **row()}
            live[new["id"]] = new
            records.append(orders.update(old, new))
        elif choice < 0.95:
            records += orders.delete_with_tombstone(live.pop(dice.choice(list(live)[-200:])))
        else:
            old = live.pop(dice.choice(list(live)[-200:]))
            new = {**old, "id": next_id}
            next_id += 1
            live[new["id"]] = new
            records += orders.change_key(old, new)
    return records


def spread(records, partitions):
    for record in records:
        record.partition = sum(record.key) % partitions
    return records


def oracle_of(orders):
    oracle = Oracle(orders=Table(("id",)))
    oracle.apply(orders.changes)
    return oracle


def events(records):
    return sum(record.value is not None for record in records)


def expect_counted_once(mariadb, database, count):
    rows = mariadb.execute("SELECT COUNT(*) AS n, COUNT(DISTINCT part, off) AS different FROM log", database=database)[0]
    assert (rows["n"], rows["different"]) == (count, count)


def prepare(mariadb, database):
    mariadb.execute(SCHEMA, database=database)


def test_killed_at_random_moments_nothing_is_lost_or_repeated(kafka, topic, mariadb, database, job):
    prepare(mariadb, database)
    name = topic("orders", partitions=6)
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    records = spread(changes(orders, seed=1, count=30000), 6)
    dice = random.Random(7)
    job.write(orders=script())
    stop = threading.Event()

    def produce():
        for i in range(0, len(records), 1000):
            kafka.produce(records[i:i + 1000])
            if stop.wait(0.05):
                return

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        for kill in range(8):
            # Another number of lanes and workers each time: progress must not depend on either.
            job.job(kafka_source(kafka, name), tidb_sink(mariadb, database, lanes=dice.choice([1, 3, 8])))
            job.start("--workers", dice.choice([1, 2]))
            before = mariadb.value("SELECT COUNT(*) FROM log", database=database)
            wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) > before or not producer.is_alive(), "rows", 30)
            if kill % 3 == 0:
                job.kill_worker()
            elif kill % 3 == 1:
                job.kill_master()
            job.kill()
        producer.join()
    finally:
        stop.set()
        producer.join()
    job.run("--until", "latest").ok()
    expect_counted_once(mariadb, database, events(records))
    oracle_of(orders).expect_in_mariadb(mariadb, database)
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


def test_a_killed_worker_is_replaced_and_goes_on(kafka, topic, mariadb, database, job):
    prepare(mariadb, database)
    name = topic("orders", partitions=3)
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    job.write(orders=script()).job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    job.start()
    records = []
    for round_ in range(3):
        more = spread(changes(orders, seed=round_, count=500, first_id=1 + 10000 * round_), 3)
        kafka.produce(more)
        records += more
        job.wait_for(job.ready, "/readyz")
        job.kill_worker()
        wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) >= events(records), "all events", 30)
    assert job.stop().code == 0
    expect_counted_once(mariadb, database, events(records))
    oracle_of(orders).expect_in_mariadb(mariadb, database)


def test_a_frozen_worker_that_wakes_up_writes_nothing_late(kafka, topic, mariadb, database, job, tmp_path):
    prepare(mariadb, database)
    name = topic("orders", partitions=2)
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    config = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
    other = Job(tmp_path / "other", job.name)
    for each in (job, other):
        each.write(orders=script()).job(kafka_source(kafka, name, config=config), tidb_sink(mariadb, database))
    try:
        records = spread(changes(orders, seed=3, count=3000), 2)
        job.start()
        kafka.produce(records[:1500])
        wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) > 0, "the first rows", 30)
        job.freeze()
        other.start()
        kafka.produce(records[1500:])
        wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) >= events(records), "all events", 60)
        job.thaw()
        more = spread(changes(orders, seed=4, count=500, first_id=100000), 2)
        kafka.produce(more)
        wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) >= events(records + more), "the rest", 60)
        assert other.stop().code == 0
        job.stop()
    finally:
        other.close()
    expect_counted_once(mariadb, database, events(records + more))
    oracle_of(orders).expect_in_mariadb(mariadb, database)


def test_every_row_is_written_by_exactly_one_script_version(kafka, topic, mariadb, database, job):
    prepare(mariadb, database)
    name = topic("orders", partitions=2)
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    records = spread(changes(orders, seed=5, count=12000), 2)
    job.write(orders=script(1)).job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    job.start()
    for version in range(1, 5):
        part = records[(version - 1) * len(records) // 4:version * len(records) // 4]
        kafka.produce(part)
        job.write(orders=script(version + 1))
        job.reload()
        job.wait_for(lambda: job.http_json("/status")["reloads"]["accepted"] >= version, f"reload {version}")
    # A broken script leaves the last good one in charge, and says where it is broken.
    job.write(orders="local M = {}\nfunction M.filter(row) return row. end\nreturn M\n")
    job.reload()
    job.wait_for(lambda: job.http_json("/status")["reloads"]["rejected"] == 1, "the refusal")
    assert "scripts/orders.lua:2:" in job.log()
    more = spread(changes(orders, seed=6, count=100, first_id=50000), 2)
    kafka.produce(more)
    wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) >= events(records + more), "all events", 60)
    assert job.stop().code == 0
    expect_counted_once(mariadb, database, events(records + more))
    oracle_of(orders).expect_in_mariadb(mariadb, database)
    # Events of one row in their order: never an older version after a newer one.
    rows = mariadb.execute("SELECT id, version FROM log ORDER BY id, off", database=database)
    assert rows == sorted(rows, key=lambda row: (row["id"], row["version"]))
    assert mariadb.value("SELECT MAX(version) FROM log", database=database) == 5


def test_poison_is_set_aside_and_nothing_else(kafka, topic, mariadb, database, job):
    mariadb.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, note VARCHAR(5) NOT NULL)", database=database)
    name = topic("orders")
    orders = debezium.Table("orders", topic=name)
    records = [orders.insert({"id": i, "note": "ok"}) for i in range(300)]
    records[10].value = b"{ broken"
    records[20] = orders.insert({"id": 20, "note": "much too long"})
    records[30] = orders.insert({"id": 30, "note": None})
    records[40] = orders.insert({"id": 40, "note": "boom"})
    records[50] = orders.insert({"id": None, "note": "ok"})
    kafka.produce(records)
    job.write(orders="""
local M = {}
function M.map(row)
  if row.note == "boom" then
    error("no such luck")
  end
  return { id = row.id, note = row.note }
end
return M
""").job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    result = job.run("--until", "latest").ok()
    dead = mariadb.execute("SELECT * FROM streamlua_dead_letters ORDER BY `offset`", database=database)
    assert [(d["offset"], d["stage"]) for d in dead] == [(10, "decode"), (20, "sink"), (30, "sink"), (40, "script"), (50, "script")]
    assert dead[0]["value"] == b"{ broken" and dead[0]["topic"] == name and dead[0]["partition"] == 0
    assert "note" in dead[1]["error"] and "1406" in dead[1]["error"]
    assert "scripts/orders.lua:5: no such luck" in dead[3]["error"]
    assert "key column id has no value" in dead[4]["error"]
    assert mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 295
    assert "read 300 = written 295 + filtered 0 + unmatched 0 + dead letters 5 + ignored 0 + skipped 0" in result.err


def test_a_unique_value_is_handed_over_and_overwrites_nobody(kafka, topic, mariadb, database, job):
    mariadb.execute("CREATE TABLE seats (id BIGINT PRIMARY KEY, seat VARCHAR(10) COLLATE utf8mb4_bin UNIQUE)", database=database)
    name = topic("seats", partitions=2)
    seats = debezium.Table("seats", topic=name)
    first = [seats.insert({"id": i, "seat": f"s{i}"}, partition=i % 2) for i in range(100)]
    # Within a partition: swapped through a free value. Across partitions: the taker's message can be read before the giver's.
    swap = []
    for i in range(0, 50, 2):
        a, b = {"id": i, "seat": f"s{i}"}, {"id": i + 50, "seat": f"s{i + 50}"}
        swap += [seats.update(a, {"id": i, "seat": "free"}, partition=i % 2), seats.update(b, {**b, "seat": a["seat"]}, partition=i % 2),
                 seats.update({"id": i, "seat": "free"}, {"id": i, "seat": b["seat"]}, partition=i % 2)]
    across = []
    for i in range(1, 50, 2):
        giver, taker = {"id": i, "seat": f"s{i}"}, {"id": i - 1, "seat": f"s{i + 49}"}
        across += [seats.update(giver, {"id": i, "seat": f"gone{i}"}, partition=1), seats.update(taker, {"id": i - 1, "seat": f"s{i}"}, partition=0)]
    kafka.produce(first + swap)
    kafka.produce([r for r in across if r.partition == 0])
    job.write(seats="return {}").job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    job.start()
    job.wait_for(lambda: "stands back" in job.log(), "the taker to stand back")
    kafka.produce([r for r in across if r.partition == 1])
    oracle = Oracle(seats=Table(("id",)))
    oracle.apply(seats.changes)
    wait_for(lambda: oracle.matches_mariadb(mariadb, database), "the hand-over", 30)
    assert job.stop().code == 0
    oracle.expect_in_mariadb(mariadb, database)
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0


def test_a_database_that_dies_under_load_loses_nothing(kafka, topic, mariadb, database, job):
    prepare(mariadb, database)
    name = topic("orders", partitions=3)
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    records = spread(changes(orders, seed=9, count=10000), 3)
    job.write(orders=script()).job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    job.start()
    kafka.produce(records[:5000])
    wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) > 0, "the first rows", 30)
    mariadb.kill()
    kafka.produce(records[5000:])
    job.wait_for(lambda: not job.ready(), "/readyz to say that the target is away")
    mariadb.start()
    wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM log", database=database) >= events(records), "all events", 60)
    job.wait_for(job.ready, "/readyz to be well again")
    assert job.stop().code == 0
    expect_counted_once(mariadb, database, events(records))
    oracle_of(orders).expect_in_mariadb(mariadb, database)


def test_a_commit_whose_answer_is_lost_is_read_back(kafka, topic, mariadb, database, proxy, job):
    prepare(mariadb, database)
    name = topic("orders")
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    records = spread(changes(orders, seed=11, count=4000), 1)
    job.write(orders=script()).job(kafka_source(kafka, name), tidb_sink(mariadb, database, port=proxy.port, lanes=2))
    cuts = [proxy.cut_after("COMMIT", times=3), proxy.cut_before("COMMIT", times=3)]
    kafka.produce(records)
    job.run("--until", "latest").ok()
    assert cuts
    expect_counted_once(mariadb, database, events(records))
    oracle_of(orders).expect_in_mariadb(mariadb, database)


def test_rows_without_a_key_of_their_own_are_each_new(kafka, topic, mariadb, database, job):
    """The log's rows name no key: deletes grow it too, and no row replaces another."""
    prepare(mariadb, database)
    name = topic("orders")
    orders = debezium.Table("orders", topic=name, types={"amount": debezium.DECIMAL(10)})
    records = changes(orders, seed=13, count=300)
    kafka.produce(records)
    job.write(orders=script()).job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    job.run("--until", "latest").ok()
    expect_counted_once(mariadb, database, events(records))
