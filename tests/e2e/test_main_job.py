"""The main job: Debezium's messages from Kafka, through a script a table, into MariaDB. What is right is the oracle's to say."""

import datetime
import decimal
import re

import pytest

from support import debezium, oracle
from support.debezium import Table
from support.job import Lua, kafka_source, tidb_sink
from support.registry import Avro
from support.workload import Workload

D = decimal.Decimal
# A bounded run of several workers waits for as long as a dead member's partitions could still come back to it.
CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
TEXTS = ["", "plain", "O'Neil \"quoted\" \\ back\\slash", "naïve Zürich", "漢字かな", "👩‍👩‍👧 emoji 🦄", "tab\tand\nnewline", "\u0001 control", "-- ; DROP", "%s ? ${x}"]

ORDERS = """CREATE TABLE `order` (id BIGINT PRIMARY KEY, `select` VARCHAR(200), `from` DECIMAL(30,10), `group` BIGINT UNSIGNED, `desc` LONGTEXT,
    `when` DATETIME(6), `key` DOUBLE, `to``tick` INT) DEFAULT CHARSET=utf8mb4"""


def order(number, random):
    return {"id": number,
            "select": random.choice([None, *TEXTS]),
            "from": random.choice([None, D("0E-10"), D("-0.0000000001"), D(random.randrange(-10**29, 10**29)).scaleb(-10, decimal.Context(prec=40))]),
            "group": random.choice([None, 0, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
            "desc": random.choice([None, "", random.choice(TEXTS) * random.randrange(2000)]),
            "when": random.choice([None, datetime.datetime(1000, 1, 1), datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)]),
            "key": random.choice([None, 0.1, -1.5, 123456789.125]),
            "to`tick": random.choice([None, random.randrange(-2**31, 2**31)])}


ORDER_TYPES = {"from": debezium.DECIMAL(10, 30), "group": debezium.UNSIGNED, "select": debezium.STRING, "desc": debezium.STRING,
               "when": debezium.DATETIME_MICRO, "key": debezium.DOUBLE, "to`tick": debezium.INT32}

ITEMS = """CREATE TABLE items (id INT PRIMARY KEY, day DATE, at TIMESTAMP(3) NULL, span TIME(3), born YEAR, kind ENUM('a','b,c','d'), raw VARBINARY(40),
    bits BIT(10), flag TINYINT(1), code CHAR(4)) DEFAULT CHARSET=utf8mb4"""
ITEM_TYPES = {"day": debezium.DATE, "at": debezium.TIMESTAMP, "span": debezium.TIME, "born": debezium.YEAR, "kind": debezium.ENUM("a", "b,c", "d"),
              "raw": debezium.BYTES, "bits": debezium.BIT(10), "flag": debezium.INT16, "code": debezium.STRING}


def item(number, random):
    return {"id": number,
            "day": random.choice([None, datetime.date(1000, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)]),
            "at": random.choice([None, datetime.datetime(1999, 12, 31, 23, 59, 59), datetime.datetime(2037, 1, 1, 1, 2, 3, 456000)]),
            "span": random.choice([None, datetime.timedelta(0), datetime.timedelta(hours=-838), datetime.timedelta(minutes=5, microseconds=7000)]),
            "born": random.choice([None, 1901, 2024, 2155]),
            "kind": random.choice([None, "a", "b,c", "d"]),
            "raw": random.choice([None, b"", b"\x00\xff\x80'\\", random.randbytes(40)]),
            "bits": random.choice([None, 0, 1, 0x3ff, 0x155]),
            "flag": random.choice([None, 0, 1, -128]),
            "code": random.choice([None, "", "abcd", "ü🦄"])}


def as_item_shows(row, op):
    """What MariaDB's text of these columns is: all digits of the fraction, a BIT as its bytes."""
    shown = dict(row)
    if row["at"] is not None:
        shown["at"] = row["at"].isoformat(" ", "milliseconds")
    if row["span"] is not None:
        shown["span"] = oracle.as_text(row["span"]).partition(".")[0] + f".{abs(row['span']).microseconds // 1000:03}"
    if row["bits"] is not None:
        shown["bits"] = row["bits"].to_bytes(2, "big")
    return shown


def as_order_shows(row, op):
    return {**row, "when": row["when"] and row["when"].isoformat(" ", "microseconds"), "key": row["key"]}


TAGS = "CREATE TABLE tags (id INT PRIMARY KEY, label VARCHAR(60) COLLATE utf8mb4_bin, weight INT)"


def tag(number, random):
    return {"id": number, "label": random.choice(["x", "y", "z"]) * random.randrange(1, 20), "weight": random.randrange(1000)}


@pytest.mark.parametrize("wire", ["without_schemas", "with_schemas", "avro"])
def test_all_kinds_of_changes_of_several_tables_arrive_exactly(kafka, mariadb, topic, database, job, registry, wire):
    mariadb.execute(f"{ORDERS}; {ITEMS}; {TAGS}", database=database)
    schemas = wire != "without_schemas"
    encoded = Avro(registry).of if wire == "avro" else list
    tables = [Workload(Table("order", topic=topic("order", partitions=4), types=ORDER_TYPES, schemas=schemas), order, 4),
              Workload(Table("items", topic=topic("items", partitions=2), types=ITEM_TYPES, schemas=schemas), item, 2),
              Workload(Table("tags", topic=topic("tags"), schemas=schemas), tag)]
    for each in tables:
        kafka.produce(encoded(each.changes(2500)))
    job.write(order="return {}", items="return {}", tags="return {}")
    format = Lua(f'{{ "avro", registry = "{registry.url}" }}') if wire == "avro" else "debezium"
    job.job(kafka_source(kafka, [each.table.topic for each in tables], format, config=CONFIG), tidb_sink(mariadb, database))

    result = job.run("--until", "latest", "--workers", 2).ok()

    expected = oracle.Oracle(order=oracle.Table(["id"], map=as_order_shows), items=oracle.Table(["id"], map=as_item_shows), tags=oracle.Table(["id"]))
    for each in tables:
        expected.apply(each.table.changes)
    assert mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database) == []
    counted = sum(len(each.table.changes) for each in tables)
    assert f"written {counted} + filtered 0 + unmatched 0 + dead letters 0" in result.err
    expected.expect_in_mariadb(mariadb, database)


SHAPED = {
    "orders": '''
local M = { target = "sales" }
M.columns = { sale_id = "id", customer = "customer", sku = function(row) return row.sku and row.sku:upper() end,
              total = function(row) return row.price * row.pieces end }
function M.filter(row, ctx) return not row.test end
function M.where(row) return row.state ~= "void" end
return M''',
    "users": '''
local sl = require "streamlua"
local M = { target = "people", owns = { "name", "city" } }
function M.map(row, ctx)
  if row.hidden then return nil end
  ctx:emit("names", { name = row.name, id = row.id, seen_in = ctx.table })
  return { id = row.id, name = row.name, city = row.city or sl.null }
end
return M''',
    "scores": 'return { target = "people", columns = { id = "user_id", score = "points" }, owns = { "score" } }',
    "closings": '''
local M = { target = "sales" }
function M.map(row, ctx)
  ctx:delete("sales", { sale_id = row.order_id })
  return nil
end
return M''',
}


def order_for_scripts(number, random):
    return {"id": number, "customer": random.choice([None, "ann", "bob"]), "sku": random.choice([None, "abc", "Äx"]), "price": random.randrange(100),
            "pieces": random.randrange(10), "test": random.random() < 0.1, "state": random.choice(["paid", "void", None])}


def test_scripts_shape_filter_emit_and_delete(kafka, mariadb, topic, database, job):
    mariadb.execute("""
        CREATE TABLE sales (sale_id INT PRIMARY KEY, customer VARCHAR(20), sku VARCHAR(20), total INT);
        CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), city VARCHAR(20) DEFAULT 'nowhere', score INT DEFAULT -1);
        CREATE TABLE names (name VARCHAR(20) COLLATE utf8mb4_bin, id INT, seen_in VARCHAR(20), PRIMARY KEY (name, id))""", database=database)
    orders = Workload(Table("orders", topic=topic("orders", partitions=2)), order_for_scripts, 2, seed=7)
    # A test row stays one, as `filter` drops messages.
    random_order = orders.row
    orders.row = lambda number, random: {**random_order(number, random), "test": number % 10 == 3}
    orders.weights = {"insert": 4, "update": 6, "delete": 2}
    users, scores = Table("users", topic=topic("users")), Table("scores", key=("user_id",), topic=topic("scores"))
    closings = Table("closings", topic=topic("closings"))
    kafka.produce(orders.changes(2000))
    kafka.produce([users.insert({"id": i, "name": f"n{i}", "city": "Bonn" if i % 2 else None, "hidden": i % 5 == 0}) for i in range(200)])
    kafka.produce([scores.insert({"user_id": i, "points": i * 7}) for i in range(100, 300)])
    job.write(**SHAPED)
    job.job(kafka_source(kafka, [each.topic for each in (orders.table, users, scores, closings)]), tidb_sink(mariadb, database))
    job.run("--until", "latest").ok()

    expected = oracle.Table(["sale_id"], filter=lambda row, op: not row["test"], where=lambda row: row["state"] not in ("void",), map=lambda row, op: {
        "sale_id": row["id"], "customer": row["customer"], "sku": row["sku"] and row["sku"].upper().replace("ä", "Ä"), "total": row["price"] * row["pieces"]})
    tables = oracle.Oracle(orders=expected)
    tables.apply(orders.table.changes)
    tables.expect_in_mariadb(mariadb, database, orders="sales")

    shown = {i for i in range(200) if i % 5}
    people = oracle.Table(["id"])
    for i in sorted(shown | set(range(100, 300))):
        people.insert({"id": i, "name": f"n{i}" if i in shown else None, "city": ("Bonn" if i % 2 else None) if i in shown else "nowhere",
                       "score": i * 7 if i >= 100 else -1})
    assert oracle.diff(people, mariadb.table("people", database)) == ""
    names = oracle.Table(["name", "id"])
    for i in shown:
        names.insert({"name": f"n{i}", "id": i, "seen_in": "users"})
    assert oracle.diff(names, mariadb.table("names", database)) == ""

    # ctx:delete, once the rows are there; and what map had emitted is taken back with the row.
    closed = [int(key[0]) for key in list(expected.rows)[:50]]
    kafka.produce([closings.insert({"id": i, "order_id": number}) for i, number in enumerate(closed)])
    kafka.produce([users.delete({"id": i, "name": f"n{i}", "city": None, "hidden": False}) for i in (1, 2, 3)])
    job.run("--until", "latest").ok()
    for number in closed:
        del expected.rows[(str(number),)]
    tables.expect_in_mariadb(mariadb, database, orders="sales")
    for i in (1, 2, 3):
        names.delete({"name": f"n{i}", "id": i})
    assert oracle.diff(names, mariadb.table("names", database)) == ""


POISON_ROWS = 3000


def poisoned(kafka, mariadb, topic, database, job, on_error="dead-letter"):
    """Good rows with a few bad ones among them; returns (the table, {offset: (stage, part of the error)})."""
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, sku VARCHAR(5) NOT NULL, small TINYINT)", database=database)
    orders = Table("orders", topic=topic("orders"), types={"sku": debezium.STRING, "small": debezium.INT32})
    messages, bad = [], {}
    for i in range(POISON_ROWS):
        row = {"id": i, "sku": f"s{i % 100}", "small": i % 100}
        kind = {400: "text", 1200: "script", 1201: "long", 1202: "range", 1950: "null", 2990: "array"}.get(i)
        if kind is None:
            messages.append(orders.insert(row))
            continue
        spoiled = {"script": {"small": 101}, "long": {"sku": "much too long"}, "range": {"small": 300}, "null": {"sku": None}}
        if kind in spoiled:
            messages.append(orders.insert({**row, **spoiled[kind]}))
            orders.changes.pop()
        else:
            message = Table("orders", topic=orders.topic).insert(row)
            message.value = b'{"before": nothing}' if kind == "text" else b"[1]"
            messages.append(message)
        bad[i] = {"text": ("decode", ""), "array": ("decode", ""), "script": ("script", "orders.lua:4: a small trouble"),
                  "long": ("sink", "sku"), "range": ("sink", "small"), "null": ("sink", "sku")}[kind]
    kafka.produce(messages)
    job.write(orders=f'''
return {{ on_error = "{on_error}", filter = function(row)
  if row.small == 101 then
    error("a small trouble")
  end
  return true
end }}''')
    job.job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database))
    return orders, messages, bad


def test_exactly_the_poisoned_messages_become_dead_letters(kafka, mariadb, topic, database, job):
    orders, messages, bad = poisoned(kafka, mariadb, topic, database, job)
    result = job.run("--until", "latest").ok()

    expected = oracle.Oracle(orders=oracle.Table(["id"]))
    expected.apply(orders.changes)
    expected.expect_in_mariadb(mariadb, database)
    letters = {row["offset"]: row for row in mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database)}
    assert sorted(letters) == sorted(bad)
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == len(bad)
    for offset, (stage, words) in bad.items():
        letter = letters[offset]
        assert (letter["job"], letter["topic"], letter["partition"]) == (job.name, orders.topic, 0)
        assert (letter["stage"], words in letter["error"], bool(letter["error"])) == (stage, True, True), letter
        assert (letter["key"], letter["value"]) == (messages[offset].key, messages[offset].value)
        assert letter["source_table"] == (None if stage == "decode" else "shop.orders")
    good = POISON_ROWS - len(bad)
    assert f"read {POISON_ROWS} = written {good} + filtered 0 + unmatched 0 + dead letters {len(bad)}" in result.err
    # They were dealt with: another run finds nothing to do.
    assert "read 0 =" in job.run("--until", "latest").ok().err
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == len(bad)


def test_on_error_skip_counts_and_writes_the_rest(kafka, mariadb, topic, database, job):
    orders, _, bad = poisoned(kafka, mariadb, topic, database, job, on_error="skip")
    result = job.run("--until", "latest").ok()
    expected = oracle.Oracle(orders=oracle.Table(["id"]))
    expected.apply(orders.changes)
    expected.expect_in_mariadb(mariadb, database)
    undecodable = sorted(offset for offset, (stage, _) in bad.items() if stage == "decode")
    # What cannot be decoded has no script that could say what to do with it.
    assert [row["offset"] for row in mariadb.execute("SELECT `offset` FROM streamlua_dead_letters ORDER BY `offset`", database=database)] == undecodable
    assert f"dead letters {len(undecodable)} + ignored 0 + skipped {len(bad) - len(undecodable)}" in result.err


@pytest.mark.parametrize("first_bad", [1200, 1201], ids=["script", "sink"])
def test_on_error_stop_ends_with_1_and_goes_on_when_the_cause_is_gone(kafka, mariadb, topic, database, job, first_bad):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, sku VARCHAR(5) NOT NULL)", database=database)
    orders = Table("orders", topic=topic("orders"))
    kafka.produce([orders.insert({"id": i, "sku": "much too long" if i == 1201 and first_bad == 1201 else "s"}) for i in range(2500)])
    trouble = 'if row.id == 1200 then error("trouble") end' if first_bad == 1200 else ""
    job.write(orders=f'return {{ on_error = "stop", filter = function(row) {trouble} return true end }}')
    job.job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database))
    for _ in range(2):
        result = job.run("--until", "latest")
        assert result.code == 1
        assert re.search(rf"{re.escape(orders.topic)}:0 offset {first_bad}, table orders: ", result.err), result.err
        assert mariadb.value("SELECT COUNT(*) FROM orders WHERE id = %s", first_bad, database=database) == 0
        assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0

    mariadb.execute("ALTER TABLE orders MODIFY sku VARCHAR(50) NOT NULL", database=database)
    job.write(orders="return {}").run("--until", "latest").ok()
    expected = oracle.Oracle(orders=oracle.Table(["id"]))
    expected.apply(orders.changes)
    expected.expect_in_mariadb(mariadb, database)


def test_the_counters_of_a_bounded_run_add_up(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, amount TINYINT)", database=database)
    orders = Table("orders", topic=topic("orders", partitions=3), types={"amount": debezium.INT32})
    strange = Table("strange", topic=orders.topic)
    messages = [orders.insert({"id": i, "amount": 300 if i % 100 == 7 else i % 100}) for i in range(1000)]
    messages += [orders.tombstone({"id": i}) for i in range(40)]
    messages += [strange.insert({"id": i}) for i in range(25)]
    kafka.produce(messages)
    job.write(orders='return { filter = function(row) return row.id % 4 ~= 0 end }')
    job.job(kafka_source(kafka, orders.topic, config=CONFIG), tidb_sink(mariadb, database))
    result = job.run("--until", "latest", "--workers", 2).ok()

    counts = {name: int(n) for name, n in re.findall(r"(\w[\w ]*?) (\d+)\b", re.search(r"^read .*$", result.err, re.MULTILINE)[0])}
    dead = mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database)
    rows = mariadb.value("SELECT COUNT(*) FROM orders", database=database)
    assert (dead, rows) == (10, 740)
    assert counts["read"] == counts["written"] + counts["filtered"] + counts["unmatched"] + counts["dead letters"] + counts["ignored"] + counts["skipped"]
    assert (counts["written"], counts["filtered"], counts["unmatched"], counts["dead letters"]) == (rows, 250, 25, dead)
    assert counts["read"] - counts["ignored"] == 1025


def test_max_events_ends_there_and_the_next_run_goes_on(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY)", database=database)
    orders = Table("orders", topic=topic("orders"))
    kafka.produce([orders.insert({"id": i}) for i in range(3000)])
    job.write(orders="return {}").job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database))
    for rows in (700, 1400, 2100, 2800):
        job.run("--max-events", 700).ok()
        assert mariadb.value("SELECT COUNT(*) FROM orders WHERE id < %s", rows, database=database) == rows
        assert mariadb.value("SELECT COUNT(*) FROM orders", database=database) == rows
