"""Maxwell."""

from ..servers import Record
from . import Dead, Lossy, Producer, Raw, b64, clock, dump, java, nanos, shortest_float, srid_of, wkt


class Maxwell(Producer):
    """nulls=False: output_nulls=false. names: output_primary_key_columns=true, else the record's key alone names the key."""

    def __init__(self, source="maxwell", nulls=True, names=True):
        self.source, self.nulls, self.names = source, nulls, names
        self._xid = 0

    def _int(self, type_, cell):
        return Raw(cell)

    _bool = _decimal = _int

    def _float(self, type_, cell):
        return Raw(java(shortest_float(float(cell))))

    def _double(self, type_, cell):
        return Raw(java(float(cell)))

    def _bit(self, type_, cell):
        number = int.from_bytes(cell, "big")
        if type_.size in range(33, 64):
            # Its source shifts each byte as an int of 32 bits.
            wrong = 0
            for i, byte in enumerate(reversed(cell)):
                part = byte << (8 * i % 32) & 0xffffffff
                wrong += part - 2**32 if part >= 2**31 else part
            if wrong != number:
                left = wrong.to_bytes(len(cell), "big") if 0 <= wrong < 2**type_.size else Dead
                return Lossy(Raw(wrong), left, "bits from the 32nd on, which come out wrong")
        return Raw(number)

    def _char(self, type_, cell):
        return cell

    _varchar = _text = _enum = _date = _datetime = _timestamp = _char

    def _blob(self, type_, cell):
        return b64(cell)

    _varbinary = _blob

    def _binary(self, type_, cell):
        return b64(cell.rstrip(b"\0"))

    def _set(self, type_, cell):
        return cell.split(",") if cell else []

    def _json(self, type_, cell):
        return Lossy(None, None, "JSON's null, which looks as SQL's NULL does") if cell == "null" else Raw(cell)

    def _time(self, type_, cell):
        within = nanos(cell) % (86400 * 10**9)
        text = clock(within, type_.size)
        return text if text == cell else Lossy(text, text, "times below zero and from 24 hours on")

    def _year(self, type_, cell):
        return Raw(int(cell))

    def _geometry(self, type_, cell):
        text = wkt(cell[4:])
        return Lossy(text, bytes(4) + cell[4:], "the SRID") if srid_of(cell) else text

    # ---- messages ----

    def _change(self, table, kind, row, old=None):
        self._xid += 1
        data = self.row(table, row)
        if not self.nulls:
            data = {name: value for name, value in data.items() if value is not None}
        message = {"database": table.database, "table": table.name, "type": kind, "ts": 1700000000, "xid": self._xid, "commit": True, "data": data}
        if old is not None:
            before = self.row(table, old, self.changed(table, old, row))
            message["old"] = before if self.nulls else {name: value for name, value in before.items() if value is not None}
        if self.names:
            message["primary_key_columns"] = list(table.key)
        key = {"database": table.database, "table": table.name, **{f"pk.{name.lower()}": data.get(name) for name in table.key}}
        return [Record(table.topic, dump(key), dump(message))]

    def insert(self, table, row):
        return self._change(table, "insert", row)

    def snapshot(self, table, row):
        return self._change(table, "bootstrap-insert", row)

    def update(self, table, old, new):
        return self._change(table, "update", new, old)

    def delete(self, table, row):
        return self._change(table, "delete", row)


