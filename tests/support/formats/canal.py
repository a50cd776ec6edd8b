"""Canal's flat messages, and TiCDC's canal-json: every value a text."""

from ..servers import Record
from . import Lossy, Producer, dump, in_zone, index, is_zero_date, java, mask, plain, shortest_float


class Canal(Producer):
    """zone: hours east of UTC of the server that writes TIMESTAMPs. types: whether mysqlType is filled."""

    def __init__(self, source="canal", zone=0, types=True):
        self.source, self.zone, self.types = source, zone, types

    def _int(self, type_, cell):
        return cell

    _bool = _decimal = _char = _varchar = _text = _json = _date = _datetime = _year = _int

    def _float(self, type_, cell):
        return java(shortest_float(float(cell)))

    def _double(self, type_, cell):
        return java(float(cell))

    def _bit(self, type_, cell):
        return str(int.from_bytes(cell, "big"))

    def _blob(self, type_, cell):
        return cell.decode("latin-1")

    _varbinary = _geometry = _blob

    def _binary(self, type_, cell):
        return cell.rstrip(b"\0").decode("latin-1")

    def _enum(self, type_, cell):
        return str(index(type_, cell))

    def _set(self, type_, cell):
        return str(mask(type_, cell))

    def _timestamp(self, type_, cell):
        return cell if is_zero_date(cell) else in_zone(cell, self.zone)

    def _time(self, type_, cell):
        if cell.startswith("-") and type_.size:
            return Lossy(cell[1:], cell[1:], "the sign of a time below zero that has a fraction")
        return cell

    def _type(self, type_):
        text = type_.sql.lower()
        return {"json": "json", "bool": "tinyint(1)"}.get(type_.kind, text)

    # ---- messages ----

    def _message(self, table, kind, rows, old=None):
        return {"data": rows, "database": table.database, "es": 1700000000000, "id": 7, "isDdl": False,
                "mysqlType": {name: self._type(type_) for name, type_ in table.columns.items()} if self.types else None,
                "old": old, "pkNames": list(table.key), "sql": "", "sqlType": None, "table": table.name, "ts": 1700000000123, "type": kind}

    def _record(self, table, message):
        return [Record(table.topic, None, dump(message))]

    def insert(self, table, row):
        return self._record(table, self._message(table, "INSERT", [self.row(table, row)]))

    snapshot = insert

    def update(self, table, old, new):
        return self._record(table, self._message(table, "UPDATE", [self.row(table, new)], [self.row(table, old, self.changed(table, old, new))]))

    def delete(self, table, row):
        return self._record(table, self._message(table, "DELETE", [self.row(table, row)]))


class TicdcCanal(Canal):
    """extension: enable-tidb-extension=true."""

    skips = frozenset({"geometry"})

    def __init__(self, source="ticdc", zone=0, extension=True):
        super().__init__(source, zone)
        self.extension = extension
        self._commit_ts = 445980364316180480

    def _float(self, type_, cell):
        return plain(shortest_float(float(cell)))

    def _double(self, type_, cell):
        return plain(float(cell))

    def _time(self, type_, cell):
        return cell

    def _type(self, type_):
        words = super()._type(type_).split("(")[0].split()
        return " ".join(words[:1] + (["unsigned"] if type_.unsigned else []))

    def _record(self, table, message):
        message |= {"id": 0, "sqlType": {}}
        if self.extension:
            self._commit_ts += 1
            message["_tidb"] = {"commitTs": self._commit_ts}
        text = dump(message).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        return [Record(table.topic, None, text)]

    def update(self, table, old, new):
        """The whole old row; a change of the key is split."""
        if table.key_of(old) != table.key_of(new):
            return [*self.delete(table, old), *self.insert(table, new)]
        return self._record(table, self._message(table, "UPDATE", [self.row(table, new)], [self.row(table, old)]))
