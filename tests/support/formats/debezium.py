"""Debezium's MySQL connector, with or without schemas, in the modes that change what a value looks like; flattened; and TiCDC's
messages in this form."""

import base64

from ..servers import Record
from . import (Lossy, Producer, Raw, b64, clock, days, dump, epoch_nanos, from_epoch, is_zero_date, java, nanos, rounded, shortest_float, srid_of, trimmed,
               unscaled)

NO_DAY = "dates that are no day (0000-00-00), which come as NULL"
DOUBLE = "digits that a double does not have; a value that then is too large for its column is a dead letter"

SOURCE = [{"type": kind, "optional": True, "field": name} for name, kind in (
    ("version", "string"), ("connector", "string"), ("name", "string"), ("ts_ms", "int64"), ("snapshot", "string"), ("db", "string"),
    ("sequence", "string"), ("table", "string"), ("server_id", "int64"), ("gtid", "string"), ("file", "string"), ("pos", "int64"), ("row", "int32"))]

_UNIT = {"microseconds": 1000, "nanoseconds": 1}


class Debezium(Producer):
    """
    decimal   precise, string, double: decimal.handling.mode; number: precise with the converter's decimal.format=NUMERIC
    time      adaptive (adaptive_time_microseconds), connect, isostring, microseconds, nanoseconds: time.precision.mode
    bigint    long, precise: bigint.unsigned.handling.mode
    binary    bytes, base64, base64-url-safe, hex: binary.handling.mode
    """

    snapshot_letter = "r"

    def __init__(self, source="debezium", schemas=True, decimal="precise", time="adaptive", bigint="long", binary="bytes", boolean=False, widened=True):
        self.source, self.schemas = source, schemas
        self.decimal, self.time, self.bigint, self.binary, self.boolean, self.widened = decimal, time, bigint, binary, boolean, widened
        self._position = 0

    # ---- values ----

    def _int(self, type_, cell):
        if type_.unsigned and type_.size == 64:
            if self.bigint == "precise":
                return unscaled(cell, 0)
            return Raw(int(cell) - 2**64 if int(cell) >= 2**63 else cell)
        return Raw(cell)

    def _bool(self, type_, cell):
        if not self.boolean:
            return Raw(cell)
        return cell == "1" if cell in "01" else Lossy(True, "1", "a TINYINT(1) that is neither 0 nor 1")

    def _decimal(self, type_, cell):
        if self.decimal == "string":
            return cell
        if self.decimal == "double":
            left = rounded(float(cell), type_)
            wire = Raw(java(float(cell)))
            return wire if left == cell else Lossy(wire, left, DOUBLE)
        return Raw(cell) if self.decimal == "number" else unscaled(cell, type_.size)

    def _float(self, type_, cell):
        return Raw(java(float(cell) if self.widened else shortest_float(float(cell))))

    def _double(self, type_, cell):
        return Raw(java(float(cell)))

    def _bit(self, type_, cell):
        if type_.size == 1:
            return cell == b"\1"
        return b64(cell[::-1])

    def _char(self, type_, cell):
        return cell

    _varchar = _text = _enum = _set = _json = _char

    def _blob(self, type_, cell):
        if self.binary == "hex":
            return cell.hex()
        return base64.urlsafe_b64encode(cell).decode() if self.binary == "base64-url-safe" else b64(cell)

    _binary = _varbinary = _blob

    def _year(self, type_, cell):
        return Raw(int(cell))

    def _date(self, type_, cell):
        if is_zero_date(cell):
            return Lossy(None, None, NO_DAY)
        return cell + "Z" if self.time == "isostring" else Raw(days(cell))

    def _datetime(self, type_, cell):
        if is_zero_date(cell):
            return Lossy(None, None, NO_DAY)
        if self.time == "isostring":
            return trimmed(cell).replace(" ", "T") + "Z"
        count = epoch_nanos(cell)
        if self.time == "connect":
            cut = cell[:20 + 3] + "000"[:type_.size - 3] if type_.size > 3 else cell
            wire = Raw(count // 10**6)
            return wire if cut == cell else Lossy(wire, cut, "microseconds")
        if self.time == "nanoseconds" and not -2**63 <= count < 2**63:
            count = (count + 2**63) % 2**64 - 2**63
            return Lossy(Raw(count), from_epoch(count, type_.size), "times before 1677 and after 2262 (it counts nanoseconds in 64 bits)")
        unit = _UNIT.get(self.time, 10**6 if type_.size <= 3 else 1000)
        return Raw(count // unit)

    def _timestamp(self, type_, cell):
        if is_zero_date(cell):
            return Lossy(None, None, NO_DAY)
        return trimmed(cell).replace(" ", "T") + "Z"

    def _time(self, type_, cell):
        count = nanos(cell)
        if self.time in ("connect", "isostring"):
            within = count % (86400 * 10**9)
            wire = Raw(within // 10**6) if self.time == "connect" else trimmed(clock(within, 6)) + "Z"
            left = within // 10**6 * 10**6 if self.time == "connect" else within
            return wire if left == count else Lossy(wire, clock(left, type_.size), "times below zero and from 24 hours on" + (", and microseconds" if self.time == "connect" else ""))
        return Raw(count // (1 if self.time == "nanoseconds" else 1000))

    def _geometry(self, type_, cell):
        return {"wkb": b64(cell[4:]), "srid": srid_of(cell) or None}

    # ---- schemas ----

    def _schema(self, type_):
        def named(kind, name, **parameters):
            more = {"parameters": parameters} if parameters else {}
            return {"type": kind, "name": name, "version": 1, **more}

        debezium, connect = "io.debezium.", "org.apache.kafka.connect.data."
        if type_.kind == "int" and type_.unsigned and type_.size == 64 and self.bigint == "precise":
            return named("bytes", connect + "Decimal", scale="0")
        times = {
            "adaptive": {"date": ("int32", debezium + "time.Date"), "time": ("int64", debezium + "time.MicroTime"),
                         "datetime": ("int64", debezium + ("time.Timestamp" if type_.size <= 3 else "time.MicroTimestamp"))},
            "connect": {"date": ("int32", connect + "Date"), "time": ("int32", connect + "Time"), "datetime": ("int64", connect + "Timestamp")},
            "isostring": {"date": ("string", debezium + "time.IsoDate"), "time": ("string", debezium + "time.IsoTime"),
                          "datetime": ("string", debezium + "time.IsoTimestamp")},
            "microseconds": {"date": ("int32", debezium + "time.Date"), "time": ("int64", debezium + "time.MicroTime"),
                             "datetime": ("int64", debezium + "time.MicroTimestamp")},
            "nanoseconds": {"date": ("int32", debezium + "time.Date"), "time": ("int64", debezium + "time.NanoTime"),
                            "datetime": ("int64", debezium + "time.NanoTimestamp")},
        }[self.time]
        if type_.kind in times:
            return named(*times[type_.kind])
        if type_.kind == "decimal":
            return {"string": {"type": "string"}, "double": {"type": "double"}}.get(self.decimal) or \
                named("bytes", connect + "Decimal", scale=str(type_.size))
        if type_.kind == "bit":
            return {"type": "boolean"} if type_.size == 1 else named("bytes", debezium + "data.Bits", length=str(type_.size))
        if type_.kind in ("binary", "varbinary", "blob"):
            return {"type": "bytes" if self.binary == "bytes" else "string"}
        if type_.kind == "geometry":
            return {**named("struct", debezium + ("data.geometry.Point" if type_.sql == "POINT" else "data.geometry.Geometry")),
                    "fields": [{"type": "bytes", "optional": False, "field": "wkb"}, {"type": "int32", "optional": True, "field": "srid"}]}
        return {
            "int": {"type": "int16" if type_.size <= 16 else "int32" if type_.size <= 32 and not (type_.size == 32 and type_.unsigned) else "int64"},
            "bool": {"type": "boolean" if self.boolean else "int16"}, "float": {"type": "float"}, "double": {"type": "double"},
            "enum": named("string", debezium + "data.Enum", allowed=",".join(type_.members)),
            "set": named("string", debezium + "data.EnumSet", allowed=",".join(type_.members)),
            "json": named("string", debezium + "data.Json"), "timestamp": named("string", debezium + "time.ZonedTimestamp"),
            "year": named("int32", debezium + "time.Year"),
        }.get(type_.kind, {"type": "string"})

    def _fields(self, table, names=None):
        return [{**self._schema(table.columns[name]), "optional": name not in table.key, "field": name} for name in names or table.columns]

    def _wrap(self, fields, name, payload):
        if not self.schemas:
            return dump(payload)
        return dump({"schema": {"type": "struct", "fields": fields, "optional": False, "name": name}, "payload": payload})

    # ---- messages ----

    def _key(self, table, row):
        return self._wrap(self._fields(table, table.key), f"{table.topic}.Key", self.row(table, row, table.key)) if table.key else None

    def _source(self, table, now):
        self._position += 100
        return {"version": "2.4.0.Final", "connector": "mysql", "name": "shop", "ts_ms": now, "snapshot": "false", "db": table.database,
                "sequence": None, "table": table.name, "server_id": 1, "gtid": None, "file": "binlog.000001", "pos": self._position, "row": 0}

    def _change(self, table, letter, old, new):
        now = 1700000000000 + self._position
        source = self._source(table, now)
        payload = {"before": old and self.row(table, old), "after": new and self.row(table, new), "source": source, "op": letter, "ts_ms": now,
                   "transaction": None}
        sides = [{"type": "struct", "fields": self._fields(table) if self.schemas else [], "optional": True, "name": f"{table.topic}.Value", "field": side}
                 for side in ("before", "after")]
        origin = {"type": "struct", "fields": SOURCE, "optional": False, "name": "io.debezium.connector.mysql.Source", "field": "source"}
        return Record(table.topic, self._key(table, new or old), self._wrap(
            [*sides, origin, {"type": "string", "optional": False, "field": "op"}, {"type": "int64", "optional": True, "field": "ts_ms"}],
            f"{table.topic}.Envelope", payload))

    def insert(self, table, row):
        return [self._change(table, "c", None, row)]

    def snapshot(self, table, row):
        return [self._change(table, self.snapshot_letter, None, row)]

    def update(self, table, old, new):
        if table.key_of(old) == table.key_of(new):
            return [self._change(table, "u", old, new)]
        return [*self.delete(table, old), *self.insert(table, new)]

    def delete(self, table, row):
        return [self._change(table, "d", row, None), *self._tombstone(table, row)]

    def _tombstone(self, table, row):
        return [Record(table.topic, self._key(table, row), None)] if table.key else []


class Flattened(Debezium):
    """ExtractNewRecordState. rewrite: delete.tombstone.handling.mode=rewrite with add.fields=op,db,table; else its default, tombstones."""

    def __init__(self, rewrite=True, **modes):
        super().__init__(**modes)
        self.rewrite = rewrite

    def _change(self, table, letter, old, new):
        row = self.row(table, new or old)
        fields = self._fields(table)
        if self.rewrite:
            added = {"__deleted": "true" if letter == "d" else "false", "__op": letter, "__db": table.database, "__table": table.name}
            row |= added
            fields += [{"type": "string", "optional": True, "field": name} for name in added]
        return Record(table.topic, self._key(table, new or old), self._wrap(fields, f"{table.topic}.Value", row))

    def delete(self, table, row):
        return [self._change(table, "d", row, None)] if self.rewrite else self._tombstone(table, row)


class TicdcDebezium(Debezium):
    """TiCDC, protocol=debezium: decimals are doubles, a NULL where a column has a default is the default, no tombstones."""

    skips = frozenset({"geometry"})

    def __init__(self, **modes):
        super().__init__(**{"decimal": "double", **modes})

    def _date(self, type_, cell):
        year = int(cell[:4])
        if 0 < year < 100 and not is_zero_date(cell):
            return Lossy(Raw(days(str(year + (2000 if year < 70 else 1900)) + cell[4:])), str(year + (2000 if year < 70 else 1900)) + cell[4:],
                         "years below 100, which are moved to this time")
        return super()._date(type_, cell)

    def _source(self, table, now):
        self._position += 1
        return {"version": "2.4.0.Final", "connector": "TiCDC", "name": "shop", "ts_ms": now, "snapshot": "false", "db": table.database, "table": table.name,
                "server_id": 0, "gtid": None, "file": "", "pos": 0, "row": 0, "thread": 0, "query": None, "commit_ts": (now << 18) + self._position,
                "cluster_id": "default"}

    def _tombstone(self, table, row):
        return []
