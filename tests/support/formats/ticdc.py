"""TiCDC's Open Protocol and its Simple protocol."""

import struct

from ..servers import Record
from . import Producer, Raw, b64, dump, in_zone, index, is_zero_date, java, mask, plain, shortest_float

_CODES = {"char": 254, "varchar": 15, "binary": 254, "varbinary": 15, "enum": 247, "set": 248, "json": 245, "bit": 16, "year": 13, "float": 4, "double": 5,
          "decimal": 246, "date": 10, "time": 11, "datetime": 12, "timestamp": 7, "bool": 1}
_BY_SIZE = {8: 1, 16: 2, 24: 9, 32: 3, 64: 8}
_BY_NAME = {"TINY": 249, "MEDIUM": 250, "LONG": 251}
_ESCAPES = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 34: '\\"', 92: "\\\\"}


def go_quoted(data):
    """strconv.Quote without its quotes: what is printable UTF-8 stands as it is."""
    out, at = [], 0
    while at < len(data):
        for size in (1, 2, 3, 4):
            try:
                character = data[at:at + size].decode()
                break
            except UnicodeDecodeError:
                character = None
        if character is None:
            out.append(f"\\x{data[at]:02x}")
            at += 1
            continue
        at += size
        code = ord(character)
        if code in _ESCAPES:
            out.append(_ESCAPES[code])
        elif character.isprintable():
            out.append(character)
        else:
            out.append(f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(out)


class Open(Producer):
    skips = frozenset({"geometry"})

    def __init__(self, source="ticdc", zone=0):
        self.source, self.zone = source, zone
        self._commit_ts = 445980364316180480

    def _int(self, type_, cell):
        return Raw(cell)

    _bool = _int

    def _year(self, type_, cell):
        return Raw(int(cell))

    def _decimal(self, type_, cell):
        return cell

    _char = _json = _date = _datetime = _time = _varchar = _decimal

    def _text(self, type_, cell):
        return b64(cell.encode())

    def _blob(self, type_, cell):
        return b64(cell)

    def _binary(self, type_, cell):
        return go_quoted(cell)

    _varbinary = _binary

    def _float(self, type_, cell):
        return Raw(plain(float(cell)) if abs(float(cell)) < 1e21 else java(float(cell)))

    _double = _float

    def _bit(self, type_, cell):
        return Raw(int.from_bytes(cell, "big"))

    def _enum(self, type_, cell):
        return Raw(index(type_, cell))

    def _set(self, type_, cell):
        return Raw(mask(type_, cell))

    def _timestamp(self, type_, cell):
        return cell if is_zero_date(cell) else in_zone(cell, self.zone)

    # ---- messages ----

    def _column(self, table, name, value):
        type_ = table.columns[name]
        code = _BY_SIZE[type_.size] if type_.kind == "int" else _CODES.get(type_.kind) or next(
            (number for word, number in _BY_NAME.items() if type_.sql.startswith(word)), 252)
        is_key = name in table.key
        flags = 0x01 * (type_.kind in ("binary", "varbinary", "blob")) | (0x0a if is_key else 0x40) | 0x80 * type_.unsigned
        return {"t": code, **({"h": True} if is_key else {}), "f": flags, "v": value}

    def _side(self, table, row):
        return {name: self._column(table, name, value) for name, value in self.row(table, row).items()}

    def _record(self, table, value):
        self._commit_ts += 1
        key = dump({"ts": self._commit_ts, "scm": table.database, "tbl": table.name, "t": 1}).encode()
        text = dump(value).encode()
        return [Record(table.topic, struct.pack(">QQ", 1, len(key)) + key, struct.pack(">Q", len(text)) + text)]

    def insert(self, table, row):
        return self._record(table, {"u": self._side(table, row)})

    snapshot = insert

    def update(self, table, old, new):
        if table.key_of(old) != table.key_of(new):
            return [*self.delete(table, old), *self.insert(table, new)]
        return self._record(table, {"u": self._side(table, new), "p": self._side(table, old)})

    def delete(self, table, row):
        return self._record(table, {"d": self._side(table, row)})


class Simple(Producer):
    skips = frozenset({"geometry"})

    def __init__(self, source="ticdc", zone=0, location="UTC"):
        self.source, self.zone, self.location = source, zone, location
        self._commit_ts = 445980364316180480

    def _int(self, type_, cell):
        return cell

    _bool = _decimal = _char = _varchar = _text = _json = _date = _datetime = _time = _year = _int

    def _float(self, type_, cell):
        return plain(shortest_float(float(cell)))

    def _double(self, type_, cell):
        return plain(float(cell))

    def _bit(self, type_, cell):
        return str(int.from_bytes(cell, "big"))

    def _blob(self, type_, cell):
        return b64(cell)

    _binary = _varbinary = _blob

    def _enum(self, type_, cell):
        return str(index(type_, cell))

    def _set(self, type_, cell):
        return str(mask(type_, cell))

    def _timestamp(self, type_, cell):
        return {"location": self.location, "value": cell if is_zero_date(cell) else in_zone(cell, self.zone)}

    # ---- messages ----

    def _record(self, table, kind, data=None, old=None):
        self._commit_ts += 1
        message = {"version": 1, "database": table.database, "table": table.name, "tableID": 101, "type": kind, "commitTs": self._commit_ts,
                   "buildTs": 1700000000123, "schemaVersion": 1,
                   **({"data": self.row(table, data)} if data else {}), **({"old": self.row(table, old)} if old else {})}
        return [Record(table.topic, None, dump(message))]

    def insert(self, table, row):
        return self._record(table, "INSERT", row)

    snapshot = insert

    def update(self, table, old, new):
        if table.key_of(old) != table.key_of(new):
            return [*self.delete(table, old), *self.insert(table, new)]
        return self._record(table, "UPDATE", new, old)

    def delete(self, table, row):
        return self._record(table, "DELETE", old=row)
