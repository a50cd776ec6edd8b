"""The harness itself, without streamlua: the oracle finds every kind of difference, and only differences."""

import datetime
import json
import sqlite3
from decimal import Decimal

import pytest

from support import debezium, oracle
from support.oracle import Oracle, Table, diff

SCHEMA = """CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, amount DECIMAL(30,10), sku VARCHAR(20), raw VARBINARY(9),
            at DATETIME)"""
ROWS = [
    {"id": 2**64 - 1, "amount": Decimal("12345678901234567890.0123456789"), "sku": "é☃😀", "raw": b"\x00\xff'",
     "at": datetime.datetime(2024, 2, 29, 23, 59, 59)},
    {"id": 2, "amount": Decimal("1.1000000000"), "sku": None, "raw": b"", "at": None},
]


@pytest.fixture
def orders(mariadb, database):
    mariadb.execute(SCHEMA, database=database)
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO orders VALUES (%(id)s, %(amount)s, %(sku)s, %(raw)s, %(at)s)", ROWS)
    expected = Oracle(orders=Table(["id"]))
    for row in ROWS:
        expected["orders"].insert(row)
    return expected


def test_equal_tables_have_no_difference(orders, mariadb, database):
    orders.expect_in_mariadb(mariadb, database)
    assert orders.matches_mariadb(mariadb, database)


@pytest.mark.parametrize("statement, words", [
    ("DELETE FROM orders WHERE id = 2", "missing     id='2'"),
    ("INSERT INTO orders (id) VALUES (7)", "unexpected  id='7'"),
    ("UPDATE orders SET amount = amount + 0.0000000001 WHERE id = 2", "amount is '1.1000000001', expected '1.1000000000'"),
    ("UPDATE orders SET sku = '' WHERE id = 2", "sku is '', expected None"),
    ("UPDATE orders SET raw = x'00fe27' WHERE id <> 2", r"""raw is b"\x00\xfe'", expected b"\x00\xff'" """.strip()),
    ("UPDATE orders SET at = at - INTERVAL 1 SECOND", "at is '2024-02-29 23:59:58', expected '2024-02-29 23:59:59'"),
    ("ALTER TABLE orders DROP COLUMN sku", "sku is '(no such column)'"),
])
def test_each_difference_is_named(orders, mariadb, database, statement, words):
    mariadb.execute(statement, database=database)
    assert not orders.matches_mariadb(mariadb, database)
    with pytest.raises(AssertionError) as failure:
        orders.expect_in_mariadb(mariadb, database)
    assert words in str(failure.value)


def test_filter_map_and_where_follow_the_changes():
    target = Table(["order_id"], filter=lambda row, op: not row.get("test"), where=lambda row: row["state"] != "closed",
                   map=lambda row, op: {"order_id": row["id"], "state": row["state"].upper()})
    orders = debezium.Table("orders")
    a, b = {"id": 1, "state": "open"}, {"id": 2, "state": "open"}
    orders.insert(a)
    orders.read(b)
    orders.insert({"id": 3, "state": "open", "test": 1})
    orders.update(a, {"id": 1, "state": "closed"})
    orders.change_key(b, {"id": 9, "state": "paid"})
    Oracle(orders=target).apply(orders.changes)
    assert list(target.rows.values()) == [{"order_id": 9, "state": "PAID"}]


def test_a_row_that_stands_twice_is_a_difference():
    table = Table(["id"])
    table.insert({"id": 1})
    assert "twice" in diff(table, [{"id": 1}, {"id": "1"}])


def test_many_differences_are_cut():
    table = Table(["id"])
    assert diff(table, [{"id": i} for i in range(50)]).endswith(f"and {50 - oracle.MOST_LINES} more")


def test_sqlite_tables_are_compared_too(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)")
        connection.execute("INSERT INTO t VALUES (1, '2.50', x'ff')")
    expected = Oracle(t=Table(["id"]))
    expected["t"].insert({"id": 1, "v": Decimal("2.50"), "b": b"\xff"})
    expected.expect_in_sqlite(tmp_path / "t.db")
    expected["t"].insert({"id": 1, "v": Decimal("2.5"), "b": b"\xff"})
    with pytest.raises(AssertionError, match="v is '2.50', expected '2.5'"):
        expected.expect_in_sqlite(tmp_path / "t.db")


def test_debezium_encodes_as_the_connector_does():
    """The literals are the connector's documented encodings, not this builder's idea of them."""
    types = {"d": debezium.DECIMAL(2), "n": debezium.DECIMAL(0), "bits": debezium.BIT(9), "big": debezium.UNSIGNED}
    row = {"id": 1, "d": Decimal("1.10"), "n": Decimal("-1"), "bits": 0x101, "big": 2**64 - 1, "day": datetime.date(2023, 11, 30),
           "at": datetime.datetime(1970, 1, 1, 0, 0, 1), "micro": datetime.datetime(1970, 1, 1, 0, 0, 1, 5), "raw": b"\x89PNG",
           "time": -datetime.timedelta(hours=12, minutes=34, seconds=56)}
    after = json.loads(debezium.Table("t", types=types).insert(row).value)["after"]
    assert after == {"id": 1, "d": "bg==", "n": "/w==", "bits": "AQE=", "big": -1, "day": 19691, "at": 1000, "micro": 1000005,
                     "raw": "iVBORw==", "time": -45296000000}
