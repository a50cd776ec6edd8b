"""Messages of every format from rows of MySQL's exact texts (support.mysql_types), written from what the producers' sources and manuals
say, and from nothing of the engine's.

A producer has
    source        what job.lua says as `format`
    cell(type, cell) -> what the message holds for it; a Lossy where the format cannot carry it
    insert, update, delete(table, ...) -> Records, a change of the key included
"""

import base64
import datetime
import json
import struct
from dataclasses import dataclass, field
from decimal import Decimal, localcontext


class Raw(str):
    """JSON that is written as it stands: numbers with all their digits."""


class Dead:
    """What arrives instead of a value that the target refuses: a dead letter."""


@dataclass
class Lossy:
    """What the message holds, and what is left of the value."""

    wire: object
    arrives: object  # a cell, or Dead
    why: str


@dataclass
class Table:
    name: str
    columns: dict  # name -> Type
    key: tuple = ("id",)
    database: str = "shop"
    topic: str = "shop.t"
    keys: dict = field(default_factory=dict)

    def key_of(self, row):
        return tuple(row[name] for name in self.key)


def dump(value):
    """JSON, compact, with Raw as it stands."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(str(name))}:{dump(v)}" for name, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


class Producer:
    """What is the same for all: rows are cells encoded one by one."""

    source = None
    skips = frozenset()  # kinds of types that the source database does not have

    def wire(self, type_, cell):
        if cell is None:
            return None
        made = self.cell(type_, cell)
        return made.wire if isinstance(made, Lossy) else made

    def arrives(self, type_, cell):
        """What is to be in the target, and why it is not what was in the source."""
        made = None if cell is None else self.cell(type_, cell)
        return (made.arrives, made.why) if isinstance(made, Lossy) else (cell, "")

    def row(self, table, row, columns=None):
        return {name: self.wire(table.columns[name], row[name]) for name in columns or table.columns if name in row}

    def changed(self, table, old, new):
        return [name for name in table.columns if old[name] != new[name]]

    def cell(self, type_, cell):
        return getattr(self, "_" + type_.kind)(type_, cell)


# ---- numbers ----

def java(number):
    """Java's Double.toString and Float.toString: 1.0E10."""
    text = repr(number)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    value = Decimal(digits)
    if value == 0 or Decimal("1e-3") <= value < Decimal("1e7"):
        return sign + (f"{value:f}" if "." in f"{value:f}" else f"{value:f}.0")
    mantissa = "".join(map(str, value.as_tuple().digits)).rstrip("0") or "0"
    return f"{sign}{mantissa[0]}.{mantissa[1:] or '0'}E{value.adjusted()}"


def plain(number):
    """Go's strconv.FormatFloat(number, 'f', -1): never an exponent."""
    text = f"{Decimal(repr(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortest_float(number):
    """The shortest digits that read back as the same float of 32 bits, as a double's repr."""
    for digits in range(1, 18):
        text = f"{number:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == number:
            return float(text)
    raise ValueError(number)


def unscaled(text, scale):
    """base64 of the big-endian two's complement integer that a decimal is over 10^scale."""
    with localcontext(prec=100):
        number = int(Decimal(text).scaleb(scale).to_integral_exact())
    length = (number + (number < 0)).bit_length() // 8 + 1
    return base64.b64encode(number.to_bytes(length, "big", signed=True)).decode()


def rounded(number, type_):
    """What a DECIMAL column holds of a double, or Dead where it has no room."""
    with localcontext(prec=200):
        value = Decimal(repr(number)).quantize(Decimal(1).scaleb(-type_.size), "ROUND_HALF_UP")
        digits = int(type_.sql.split("(")[1].split(",")[0])
        return Dead if abs(value) >= Decimal(10) ** (digits - type_.size) else f"{value:f}" if value else f"{abs(value):f}"


def b64(data):
    return base64.b64encode(data).decode()


# ---- choices ----

def index(type_, cell):
    return type_.members.index(cell) + 1


def mask(type_, cell):
    return sum(1 << type_.members.index(member) for member in cell.split(",") if member)


# ---- geometry: MySQL's own form is the SRID in four bytes, and WKB ----

def srid_of(cell):
    return struct.unpack("<I", cell[:4])[0]


def wkt(wkb):
    text, rest = _wkt(wkb)
    assert not rest
    return text


_KINDS = {1: "POINT", 2: "LINESTRING", 3: "POLYGON", 4: "MULTIPOINT", 5: "MULTILINESTRING", 6: "MULTIPOLYGON", 7: "GEOMETRYCOLLECTION"}


def _position(data):
    x, y = struct.unpack("<dd", data[:16])
    return f"{plain(x)} {plain(y)}", data[16:]


def _many(data, one):
    count, data = struct.unpack("<I", data[:4])[0], data[4:]
    parts = []
    for _ in range(count):
        part, data = one(data)
        parts.append(part)
    return "(" + ", ".join(parts) + ")", data


def _wkt(data):
    assert data[0] == 1  # little-endian
    kind, data = struct.unpack("<I", data[1:5])[0], data[5:]
    if kind == 1:
        body, data = _position(data)
        body = f"({body})"
    elif kind == 2:
        body, data = _many(data, _position)
    elif kind == 3:
        body, data = _many(data, lambda d: _many(d, _position))
    elif kind == 7:
        body, data = _many(data, _wkt)
    else:  # of geometries without their names
        def bare(d):
            text, d = _wkt(d)
            return text[text.index("("):].removeprefix(" "), d
        body, data = _many(data, bare)
    return f"{_KINDS[kind]} {body}" if kind != 7 else f"{_KINDS[kind]}{body}", data


# ---- times ----

def is_zero_date(cell):
    """No day that a calendar has: 0000-00-00, 2023-00-10."""
    return cell[:4] == "0000" or cell[5:7] == "00" or cell[8:10] == "00"


def days(cell):
    """Days since 1970-01-01 of YYYY-MM-DD in the proleptic Gregorian calendar."""
    year, month, day = map(int, cell[:10].split("-"))
    return (datetime.date(year, month, day) - datetime.date(1970, 1, 1)).days


def nanos(clock):
    """Nanoseconds of [-]hhh:mm:ss[.ffffff]."""
    sign, clock = (-1, clock[1:]) if clock.startswith("-") else (1, clock)
    whole, _, fraction = clock.partition(".")
    hours, minutes, seconds = map(int, whole.split(":"))
    return sign * (((hours * 60 + minutes) * 60 + seconds) * 10**9 + int((fraction or "0").ljust(9, "0")))


def epoch_nanos(cell):
    """Nanoseconds since the epoch, as if the text were UTC."""
    return days(cell) * 86400 * 10**9 + nanos(cell[11:])


def from_epoch(count, digits):
    """The text of a DATETIME(digits) so many nanoseconds from the epoch, cut off."""
    seconds, fraction = divmod(count, 10**9)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(" ") + (f".{fraction:09}"[:1 + digits] if digits else "")


def clock(total, digits):
    """The text of a TIME(digits) of so many nanoseconds."""
    sign, total = ("-", -total) if total < 0 else ("", total)
    seconds, fraction = divmod(total, 10**9)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{fraction:09}"[:1 + digits] if digits else "")


def trimmed(cell):
    """Without the zeros at the end of its fraction."""
    return cell.rstrip("0").rstrip(".") if "." in cell else cell


def in_zone(cell, hours):
    """A UTC time of day as a clock so many hours to the east shows it."""
    whole, dot, fraction = cell.partition(".")
    moved = datetime.datetime.fromisoformat(whole) + datetime.timedelta(hours=hours)
    return moved.isoformat(" ") + dot + fraction
