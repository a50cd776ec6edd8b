"""Debezium's messages from Python rows: what the MySQL connector writes, with or without schemas."""

import base64
import datetime
import decimal
import json
from dataclasses import dataclass
from typing import Callable

from .servers import Record

EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Type:
    """How a column's values travel: the schema's description and the encoding."""

    schema: dict
    encode: Callable


def _plain(name):
    return Type({"type": name}, lambda value: value)


def _unscaled(value, scale):
    # The usual context has 28 digits, and MySQL's decimals up to 65.
    with decimal.localcontext(prec=100):
        number = int(decimal.Decimal(value).scaleb(scale).to_integral_exact())
    length = (number + (number < 0)).bit_length() // 8 + 1
    return base64.b64encode(number.to_bytes(length, "big", signed=True)).decode()


def _micros(value):
    return value // datetime.timedelta(microseconds=1)


INT16, INT32, INT64 = _plain("int16"), _plain("int32"), _plain("int64")
DOUBLE, FLOAT, BOOLEAN, STRING = _plain("double"), _plain("float"), _plain("boolean"), _plain("string")
# bigint.unsigned.handling.mode=long: what does not fit comes out negative
UNSIGNED = Type({"type": "int64"}, lambda value: value - 2**64 if value >= 2**63 else value)
BYTES = Type({"type": "bytes"}, lambda value: base64.b64encode(value).decode())
JSON = Type({"type": "string", "name": "io.debezium.data.Json", "version": 1}, lambda value: value)
DATE = Type({"type": "int32", "name": "io.debezium.time.Date", "version": 1}, lambda value: (value - EPOCH.date()).days)
DATETIME = Type({"type": "int64", "name": "io.debezium.time.Timestamp", "version": 1}, lambda value: _micros(value - EPOCH) // 1000)
DATETIME_MICRO = Type({"type": "int64", "name": "io.debezium.time.MicroTimestamp", "version": 1}, lambda value: _micros(value - EPOCH))
TIMESTAMP = Type({"type": "string", "name": "io.debezium.time.ZonedTimestamp", "version": 1}, lambda value: value.isoformat() + "Z")
TIME = Type({"type": "int64", "name": "io.debezium.time.MicroTime", "version": 1}, _micros)
YEAR = Type({"type": "int32", "name": "io.debezium.time.Year", "version": 1}, lambda value: value)


def DECIMAL(scale, precision=None):
    parameters = {"scale": str(scale), **({"connect.decimal.precision": str(precision)} if precision else {})}
    return Type({"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "parameters": parameters},
                lambda value: _unscaled(value, scale))


def BIT(length):
    return Type({"type": "bytes", "name": "io.debezium.data.Bits", "version": 1, "parameters": {"length": str(length)}},
                lambda value: base64.b64encode(value.to_bytes((length + 7) // 8, "little")).decode())


def _members(name, members):
    return Type({"type": "string", "name": name, "version": 1, "parameters": {"allowed": ",".join(members)}}, lambda value: value)


def ENUM(*members):
    return _members("io.debezium.data.Enum", members)


def SET(*members):
    return _members("io.debezium.data.EnumSet", members)


def type_of(value):
    """The type that a Python value suggests, for columns that nobody declared."""
    if value is None or isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INT64 if value < 2**63 else UNSIGNED
    if isinstance(value, float):
        return DOUBLE
    if isinstance(value, decimal.Decimal):
        return DECIMAL(max(0, -value.as_tuple().exponent))
    if isinstance(value, (bytes, bytearray)):
        return BYTES
    if isinstance(value, datetime.datetime):
        return DATETIME_MICRO if value.microsecond % 1000 else DATETIME
    if isinstance(value, datetime.date):
        return DATE
    if isinstance(value, datetime.timedelta):
        return TIME
    raise TypeError(f"no type for {value!r}")


class Table:
    """One captured table. Its methods make Records for `topic`; `changes` remembers them as (table, op, old, new) for the oracle.

    key       columns of the primary key; () for a table without one
    types     column -> Type; a column that is not here gets the type that its value suggests
    schemas   whether key and value carry their schemas (the converter's schemas.enable)
    """

    def __init__(self, table, key=("id",), database="shop", topic=None, types=None, schemas=False, server="test"):
        self.table, self.key, self.database, self.server = table, tuple(key), database, server
        self.topic = topic or f"{server}.{database}.{table}"
        self.types = dict(types or {})
        self.schemas = schemas
        self.changes = []
        self._position = 0

    def insert(self, row, **more):
        return self._change("c", "insert", None, row, **more)

    def read(self, row, **more):
        """What a snapshot reads."""
        return self._change("r", "snapshot", None, row, **more)

    def update(self, old, new, **more):
        """`old` may be the whole old row or only what changed of it: the message has the whole one. Not for a change of the key."""
        return self._change("u", "update", {**new, **old}, new, **more)

    def delete(self, old, **more):
        return self._change("d", "delete", old, None, **more)

    def tombstone(self, row, **more):
        return Record(self.topic, self._key(row), None, **more)

    def delete_with_tombstone(self, old, **more):
        return [self.delete(old, **more), self.tombstone(old, **more)]

    def change_key(self, old, new, **more):
        """An update of the primary key, as the connector sends it: a delete, its tombstone, an insert."""
        deleted = self.delete(old, **more)
        deleted.headers = [("__debezium.newkey", self._key(new))]
        inserted = self.insert(new, **more)
        inserted.headers = [("__debezium.oldkey", self._key(old))]
        return [deleted, self.tombstone(old, **more), inserted]

    def _change(self, letter, op, old, new, time_ms=None, snapshot=None, partition=None, timestamp=None):
        self.changes.append((self.table, op, old, new))
        self._position += 1
        row = old if new is None else new
        now = time_ms if time_ms is not None else 1700000000000 + self._position
        source = {"version": "2.4.0.Final", "connector": "mysql", "name": self.server, "ts_ms": now,
                  "snapshot": snapshot or ("true" if letter == "r" else "false"), "db": self.database, "table": self.table,
                  "server_id": 1, "gtid": None, "file": "binlog.000001", "pos": self._position, "row": 0}
        payload = {"before": self._encode(old), "after": self._encode(new), "source": source, "op": letter, "ts_ms": now,
                   "transaction": None}
        if self.schemas:
            payload = {"schema": self._envelope({**(old or {}), **(new or {})}, source), "payload": payload}
        return Record(self.topic, self._key(row), _json(payload), partition=partition, timestamp=timestamp)

    def _envelope(self, row, source):
        sides = [_struct(f"{self._name}.Value", self._fields(row), field=side) for side in ("before", "after")]
        origin = [{"type": "int64" if isinstance(value, int) else "string", "optional": True, "field": name}
                  for name, value in source.items()]
        return _struct(f"{self._name}.Envelope", [
            *sides,
            _struct("io.debezium.connector.mysql.Source", origin, field="source"),
            {"type": "string", "optional": False, "field": "op"},
            {"type": "int64", "optional": True, "field": "ts_ms"},
        ])

    def _type(self, column, value):
        # A NULL first must not fix the type to text: a later value knows better.
        if column not in self.types and value is not None:
            self.types[column] = type_of(value)
        return self.types.get(column, STRING)

    def _encode(self, row):
        if row is None:
            return None
        return {column: None if value is None else self._type(column, value).encode(value)
                for column, value in row.items()}

    def _fields(self, row):
        return [{**self._type(column, value).schema, "optional": column not in self.key, "field": column}
                for column, value in row.items()]

    def _key(self, row):
        if not self.key:
            return None
        key = {column: row[column] for column in self.key}
        encoded = self._encode(key)
        if self.schemas:
            encoded = {"schema": _struct(f"{self._name}.Key", self._fields(key)), "payload": encoded}
        return _json(encoded)

    @property
    def _name(self):
        return f"{self.server}.{self.database}.{self.table}"


def _struct(name, fields, field=None):
    place = {"field": field} if field else {}
    return {"type": "struct", "fields": fields, "optional": field in ("before", "after"), "name": name, **place}


def _json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
