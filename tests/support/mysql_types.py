"""MySQL's types with values at their edges, and rows as the server has them: every cell is None, its exact text, or its bytes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Type:
    """A column's type. The first of its values is the one that lua/VALUES.md shows."""

    sql: str
    kind: str
    values: tuple  # SQL expressions; NULL is everybody's
    size: int = 0  # bits, bytes, or digits behind the point
    unsigned: bool = False
    members: tuple = ()

    @property
    def name(self):
        """A name for tables and tests: decimal_65_30."""
        short = self.sql.split("('")[0] + (f"_{len(self.members)}" if self.members else "")
        return "".join(c if c.isalnum() else "_" for c in short.lower()).strip("_")

    @property
    def shown(self):
        """As people write it."""
        return self.sql if len(self.sql) < 40 else self.sql.split("(")[0] + f" of {len(self.members)}"

    def read(self, column):
        """The expression that gives a cell its exact form."""
        # FLOAT's own text has six digits; as a DOUBLE it has all of them.
        return f"CAST(`{column}` AS DOUBLE)" if self.kind == "float" else f"`{column}`"


def _integers():
    for name, bits in ("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64):
        top = 2 ** (bits - 1)
        yield Type(name, "int", (str(-top), str(top - 1), "0", "-1"), bits)
        more = ("9223372036854775808", "9007199254740993") if bits == 64 else (str(top),)
        yield Type(f"{name} UNSIGNED", "int", (str(2 * top - 1), "0", *more), bits, unsigned=True)


def _texts():
    samples = ("'tea, 50 g'", "''", "'é Ω 😀'", r"'it''s \\ \"quoted\" \0 \n\r\t\Z'", "' both '", "'NULL'", "'123'", "'2023-11-30T12:34:56Z'")
    yield Type("CHAR(40)", "char", samples)
    yield Type("VARCHAR(100)", "varchar", (*samples, "'a  '", "REPEAT('é', 100)"))
    yield Type("TINYTEXT", "text", samples)
    yield Type("TEXT", "text", (*samples, "REPEAT('0123456789abcdef', 4000)"))
    yield Type("MEDIUMTEXT", "text", samples)
    yield Type("LONGTEXT", "text", samples)


_ALL_BYTES = "x'" + bytes(range(256)).hex() + "'"


def _bytes():
    samples = ("x'89504E47'", "''", "x'00'", "x'6100'", "x'5C785C22270A'", "'text'", "x'C3A9'", "x'FFFFFF'", "'3132'", "x'0D0A1A08'")
    yield Type("BINARY(4)", "binary", ("x'8950'", "''", "x'00'", "x'6100'", "x'FFFFFFFF'", "x'5C78225C'", "'42'"), 4)
    yield Type("VARBINARY(300)", "varbinary", (*samples, _ALL_BYTES))
    yield Type("TINYBLOB", "blob", samples)
    yield Type("BLOB", "blob", (*samples, _ALL_BYTES, f"REPEAT({_ALL_BYTES}, 100)"))
    yield Type("MEDIUMBLOB", "blob", samples)
    yield Type("LONGBLOB", "blob", samples)


def _choices():
    yield Type("ENUM('a','b','1','x y','é')", "enum", ("'b'", "'a'", "'1'", "'x y'", "'é'"), members=("a", "b", "1", "x y", "é"))
    yield Type("SET('a','b','c','1')", "set", ("'a,b'", "''", "'c'", "'1'", "'a,b,c,1'"), members=("a", "b", "c", "1"))
    many = tuple(f"m{i}" for i in range(64))
    yield Type("SET(" + ",".join(f"'{m}'" for m in many) + ")", "set", ("'m0,m63'", "''", "'m62'", f"'{','.join(many)}'"), members=many)


def _json():
    yield Type("JSON", "json", ("""'{"a": 1}'""", "'{}'", "'[]'", """'"text"'""", """'""'""", "'12.50'", "'true'", "'null'", """'[1, null, {"b": []}]'""",
                                """'{"n": 12345678901234567890.123, "é": "😀 \\\\u0000 \\\\" \\\\\\\\ \\'"}'"""))


def _times():
    yield Type("DATE", "date", ("'2023-11-30'", "'1000-01-01'", "'9999-12-31'", "'1969-12-31'", "'2024-02-29'", "'0018-05-06'", "'0000-00-00'", "'2023-00-10'"))
    for digits in range(7):
        fraction = "." + "123456"[:digits] if digits else ""
        last = "." + "999999"[:digits] if digits else ""
        one = "." + "0" * (digits - 1) + "1" if digits else ""
        precision = f"({digits})" if digits else ""
        yield Type(f"DATETIME{precision}", "datetime", (
            f"'2023-11-30 12:34:56{fraction}'", f"'1000-01-01 00:00:00'", f"'9999-12-31 23:59:59{last}'", f"'1969-12-31 23:59:59{last}'",
            f"'1970-01-01 00:00:00{one}'", "'0000-00-00 00:00:00'", "'2023-00-10 01:02:03'"), digits)
        yield Type(f"TIMESTAMP{precision}", "timestamp", (
            f"'2023-11-30 12:34:56{fraction}'", "'1970-01-01 00:00:01'", f"'2038-01-19 03:14:07{last}'", "'2024-02-29 20:00:00'", f"'2000-01-01 00:00:00{one}'",
            "'0000-00-00 00:00:00'"), digits)
        yield Type(f"TIME{precision}", "time", (
            f"'12:34:56{fraction}'", "'00:00:00'", "'24:00:00'", f"'-12:34:56{fraction}'", f"'838:59:59{last if digits else ''}'", f"'-838:59:59{last}'",
            f"'-00:00:01{one}'", f"'23:59:59{last}'", *([f"'-00:00:00{one}'"] if digits else [])), digits)
    yield Type("YEAR", "year", ("2023", "1901", "2155", "0"))


def _geometries():
    points = ("ST_GeomFromText('POINT(1 2.5)')", "ST_GeomFromText('POINT(-0.1 1e300)', 4326)")
    shapes = ("ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')", "ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 0),(1 1,2 1,2 2,1 1))')",
              "ST_GeomFromText('MULTIPOINT(1 2,3 4)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')")
    yield Type("POINT", "geometry", points)
    yield Type("GEOMETRY", "geometry", (*shapes, *points))


TYPES = (
    *_integers(),
    Type("BOOL", "bool", ("1", "0", "-128")),
    Type("DECIMAL(10,2)", "decimal", ("1.10", "0", "-0.01", "99999999.99", "-99999999.99"), 2),
    Type("DECIMAL(20,0)", "decimal", ("12345678901234567890", "0", "-99999999999999999999", "1"), 0),
    Type("DECIMAL(65,30)", "decimal", ("12345678901234567890.123456789012345678901234567890", "0", "1e-30",
                                       "-" + "9" * 35 + "." + "9" * 30, "9" * 35 + "." + "9" * 30), 30),
    Type("DECIMAL(30,30)", "decimal", ("0.000000000000000000000000000001", "0." + "9" * 30, "-0.5"), 30),
    Type("FLOAT", "float", ("3.14", "0", "-0.0e0", "3.4028234e38", "1.17549435e-38", "16777217", "-1e10")),
    Type("DOUBLE", "double", ("0.1e0", "0", "-0.0e0", "1.7976931348623157e308", "2.2250738585072014e-308", "-12345678901234.567", "1e10", "123456789.12345679e0")),
    Type("BIT(1)", "bit", ("b'1'", "b'0'"), 1),
    Type("BIT(8)", "bit", ("b'101'", "b'0'", "255", "53"), 8),
    Type("BIT(12)", "bit", ("2730", "0", "4095", "1"), 12),
    Type("BIT(33)", "bit", ("4294967301", "0", "8589934591", "5"), 33),
    Type("BIT(64)", "bit", ("18446744073709551615", "0", "9223372036854775808", "5"), 64),
    *_texts(), *_bytes(), *_choices(), *_json(), *_times(), *_geometries(),
)


def create(name, types, key="id INT PRIMARY KEY", keys="", columns="c{}"):
    """CREATE TABLE with a nullable column for each type."""
    lines = [key, *(f"`{columns.format(i)}` {type_.sql} NULL" + (" DEFAULT NULL" if type_.kind == "timestamp" else "")
                    for i, type_ in enumerate(types)), *([keys] if keys else [])]
    return f"CREATE TABLE `{name}` ({', '.join(lines)}) ROW_FORMAT=DYNAMIC"


# The source's own session: nothing is corrected, and a zone that is not that of the machine.
SESSION = "SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"


def cells(cursor, table, columns, where="1"):
    """Rows of a table as dicts; columns: name -> Type, or None for the text as it is. The connection has no converters (conv={})."""
    names = ", ".join(f"{type_.read(name)} AS `{name}`" if type_ else f"`{name}`" for name, type_ in columns.items())
    cursor.execute(f"SELECT {names} FROM `{table}` WHERE {where}")
    return [dict(zip(columns, row)) for row in cursor.fetchall()]
