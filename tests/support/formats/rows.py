"""Plain JSON rows: a row a message, a tombstone for a delete."""

from ..servers import Record
from . import Producer, Raw, b64, dump, is_zero_date, srid_of, trimmed, wkt


class Rows(Producer):
    """binary: base64 or hex, as the format's setting says. iso: times in ISO 8601, as JSON libraries write them."""

    def __init__(self, source, binary="base64", iso=False):
        self.source, self.binary, self.iso = source, binary, iso

    def _int(self, type_, cell):
        return Raw(cell)

    _decimal = _int

    def _bool(self, type_, cell):
        return cell == "1" if cell in "01" else Raw(cell)

    def _float(self, type_, cell):
        return Raw(repr(float(cell)))

    _double = _float

    def _bit(self, type_, cell):
        return Raw(int.from_bytes(cell, "big"))

    def _char(self, type_, cell):
        return cell

    _varchar = _text = _enum = _date = _time = _char

    def _set(self, type_, cell):
        return cell if not self.iso else cell.split(",") if cell else []

    def _blob(self, type_, cell):
        return cell.hex() if self.binary == "hex" else b64(cell)

    _binary = _varbinary = _blob

    def _json(self, type_, cell):
        return Raw(cell) if cell[0] in "{[" else cell

    def _datetime(self, type_, cell):
        return trimmed(cell).replace(" ", "T") if self.iso and not is_zero_date(cell) else cell

    def _timestamp(self, type_, cell):
        return trimmed(cell).replace(" ", "T") + "Z" if self.iso and not is_zero_date(cell) else cell

    def _year(self, type_, cell):
        return Raw(int(cell))

    def _geometry(self, type_, cell):
        return {"wkb": b64(cell[4:]), "srid": srid_of(cell)} if self.iso or srid_of(cell) else wkt(cell[4:])

    # ---- messages ----

    def _key(self, table, row):
        return dump(self.row(table, row, table.key))

    def insert(self, table, row):
        return [Record(table.topic, self._key(table, row), dump(self.row(table, row)))]

    snapshot = insert

    def update(self, table, old, new):
        gone = self.delete(table, old) if table.key_of(old) != table.key_of(new) else []
        return [*gone, *self.insert(table, new)]

    def delete(self, table, row):
        return [Record(table.topic, self._key(table, row), None)]
