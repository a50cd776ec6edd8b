"""There and back in every format: random changes in a real database, each turned into messages by a producer that knows nothing of the engine,
applied to a second database. Both must be equal, by CHECKSUM TABLE and by the text of every cell."""

import random
import struct

import pytest

from support.files import kcat_lines
from support.formats import Table
from support.formats.avro import InAvro
from support.formats.canal import Canal, TicdcCanal
from support.formats.debezium import Debezium, Flattened, TicdcDebezium
from support.formats.maxwell import Maxwell
from support.formats.rows import Rows
from support.formats.ticdc import Open, Simple
from support.job import Lua, file_source, tidb_sink
from support.mysql_types import SESSION, TYPES, Type, cells

SEED = 20231130
CHANGES = 60  # of each table

PRODUCERS = {
    "debezium": Debezium(),
    "debezium string hex iso": Debezium(Lua("{ 'debezium', binary = 'hex' }"), decimal="string", time="isostring", bigint="precise", binary="hex"),
    "debezium double connect": Debezium(Lua("{ 'debezium', binary = 'base64' }"), decimal="double", time="connect", binary="base64", widened=False),
    "debezium bare": Debezium(schemas=False),
    "debezium bare precise": Debezium(Lua("{ 'debezium', decimal = 'precise', binary = 'hex' }"), schemas=False, bigint="precise", binary="hex"),
    "debezium bare nanoseconds": Debezium(Lua("{ 'debezium', time = 'nanoseconds', decimal = 'string' }"), schemas=False, time="nanoseconds", decimal="string"),
    "avro": InAvro(Debezium()),
    "avro flat": InAvro(Flattened()),
    "flat rewrite": Flattened(),
    "flat tombstones": Flattened(schemas=False, rewrite=False),
    "maxwell": Maxwell(),
    "maxwell without nulls": Maxwell(Lua("{ 'maxwell', absent = 'null' }"), nulls=False, names=False),
    "canal": Canal(Lua("{ 'canal', zone = '+08:00' }"), zone=8),
    "canal untyped": Canal(types=False),
    "ticdc canal-json": TicdcCanal(Lua("{ 'ticdc', zone = '-03:30' }"), zone=-3.5),
    "ticdc open": Open(),
    "ticdc simple": Simple(Lua("{ 'ticdc', zone = '+08:00' }"), zone=8, location="Asia/Shanghai"),
    "ticdc debezium": TicdcDebezium(),
    "json": Rows(Lua("{ 'json', binary = 'base64' }")),
    "json iso": Rows(Lua("{ 'json', binary = 'hex' }"), binary="hex", iso=True),
}

INT, BIG = Type("INT", "int", (), 32), Type("BIGINT UNSIGNED", "int", (), 64, unsigned=True)
TEXT, BYTES = Type("VARCHAR(40) COLLATE utf8mb4_bin", "varchar", ()), Type("BINARY(6)", "binary", (), 6)
DAY, MONEY = Type("DATE", "date", ()), Type("DECIMAL(20,4)", "decimal", (), 4)

# Name, key columns, and how its rows get through.
SHAPES = [("wide", {"id": INT}, "copied"), ("scripted", {"id": INT}, "mapped"), ("texts", {"name": TEXT}, "copied"),
          ("pairs", {"hash": BYTES, "big": BIG}, "functions"), ("days", {"day": DAY, "money": MONEY}, "row")]


def create(name, keys, columns):
    lines = [f"`{name}` {type_.sql} NOT NULL" for name, type_ in keys.items()]
    lines += [f"`{name}` {type_.sql} NULL DEFAULT NULL" for name, type_ in columns.items()]
    return f"CREATE TABLE `{name}` ({', '.join(lines)}, PRIMARY KEY ({', '.join(f'`{key}`' for key in keys)})) CHARSET utf8mb4"


def literal(connection, cell):
    return "NULL" if cell is None else f"x'{cell.hex()}'" if isinstance(cell, bytes) else connection.escape(cell)


def fraction(dice, digits):
    return f".{dice.randrange(10**digits):0{digits}}" if digits else ""


def invent(dice, type_):
    """A random cell, or None where the samples are all there is."""
    def clock(hours):
        return f"{dice.randrange(hours):02}:{dice.randrange(60):02}:{dice.randrange(60):02}{fraction(dice, type_.size)}"

    def day():
        return f"{dice.randrange(1000, 10000)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"

    kind = type_.kind
    if kind == "int":
        width = dice.randrange(1, type_.size + 1)
        return str(dice.randrange(2**width) if type_.unsigned else dice.randrange(-2**(width - 1), 2**(width - 1)))
    if kind == "decimal":
        precision, scale = map(int, type_.sql[8:-1].split(","))
        digits = "".join(dice.choices("0123456789", k=dice.randrange(1, precision + 1))).zfill(scale + 1)
        whole = str(int(digits[:-scale] or 0)) if scale else str(int(digits))
        text = f"{whole}.{digits[-scale:]}" if scale else whole
        return "-" + text if dice.random() < 0.5 and text.strip("0.") else text
    if kind in ("float", "double"):
        value = struct.unpack(*(("<f", dice.randbytes(4)) if kind == "float" else ("<d", dice.randbytes(8))))[0]
        return repr(value) if value == value and abs(value) < (3.4e38 if kind == "float" else 1.7e308) and abs(value) > 1.2e-38 else "0"
    if kind == "bit":
        return dice.randrange(2**dice.randrange(1, type_.size + 1)).to_bytes((type_.size + 7) // 8, "big")
    if kind in ("char", "varchar", "text"):
        text = "".join(dice.choices("aA0 _%'\"\\\n\t\0é😀Ω<>&,;", k=dice.randrange(40)))
        return text.rstrip(" ") if kind == "char" else text
    if kind in ("binary", "varbinary", "blob"):
        data = dice.randbytes(dice.randrange((type_.size or 30) + 1))
        return data.ljust(type_.size, b"\0") if kind == "binary" else data
    if kind == "set":
        return ",".join(member for member in type_.members if dice.random() < 0.4)
    if kind == "date":
        return day()
    if kind == "datetime":
        return f"{day()} {clock(24)}"
    if kind == "timestamp":
        return f"{dice.randrange(1971, 2038)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02} {clock(24)}"
    if kind == "time":
        return dice.choice(["", "", "-"]) + clock(838)
    return str(dice.randrange(1901, 2156)) if kind == "year" else None


class Source:
    """A table in the source database, changed at random; what was changed, as rows from before and after."""

    def __init__(self, dice, producer, cursor, samples, name, keys):
        self.dice, self.producer, self.cursor, self.keys = dice, producer, cursor, keys
        wanted = TYPES if name in ("wide", "scripted") else TYPES[::7]
        self.columns = {f"c{i}": type_ for i, type_ in enumerate(wanted) if type_.kind not in producer.skips}
        self.samples = {column: [cell for cell in samples[type_] if self._kept(type_, cell)] for column, type_ in self.columns.items()}
        self.table = Table(name, {**keys, **self.columns}, tuple(keys), topic=f"shop.shop.{name}")
        self.sql = create(name, keys, self.columns)
        self.rows = {}
        self.changes = []

    def _kept(self, type_, cell):
        """What the format can carry: this is about what arrives, not about what it cannot say."""
        return not self.producer.arrives(type_, cell)[1]

    def _cell(self, column):
        if self.dice.random() < 0.15:
            return None
        made = invent(self.dice, self.columns[column]) if self.dice.random() < 0.6 else None
        if made is None or not self._kept(self.columns[column], made):
            made = self.dice.choice(self.samples[column] or [None])
        return made

    def _key(self):
        # Few keys, so that they come again.
        n = self.dice.randrange(40)
        made = {"id": str(n - 20), "name": "kéy😀 " + "abcdefghij"[n % 10] * (n // 10), "hash": bytes([n % 7, 0xff, 0]).ljust(6, b"\0"),
                "big": str(2**64 - 1 - n), "day": f"20{n % 20 + 10}-02-28", "money": f"{'-' * (n % 2)}{n * 1000000007}.{n:02}50"}
        return {name: made[name] for name in self.keys}

    def _where(self, key):
        return " AND ".join(f"`{name}` = {self._literal(key[name])}" for name in self.keys)

    def _literal(self, cell):
        return literal(self.cursor.connection, cell)

    def _run(self, sql, key):
        """The row of this key as the server has it after the statement."""
        self.cursor.execute(sql)
        found = cells(self.cursor, self.table.name, self.table.columns, self._where(key))
        return found[0] if found else None

    def change(self):
        key = self._key()
        place = tuple(key.values())
        old = self.rows.get(place)
        name, dice = self.table.name, self.dice
        if old is None:
            values = {**key, **{column: self._cell(column) for column in self.columns}}
            new = self._run(f"INSERT INTO `{name}` ({', '.join(f'`{c}`' for c in values)}) VALUES ({', '.join(map(self._literal, values.values()))})", key)
            self.changes.append(("snapshot" if len(self.changes) < 8 else "insert", None, new))
        elif dice.random() < 0.25:
            new = self._run(f"DELETE FROM `{name}` WHERE {self._where(key)}", key)
            assert new is None
            self.changes.append(("delete", old, None))
        else:
            values = {column: self._cell(column) for column in dice.sample(list(self.columns), dice.choice([1, 2, 5, len(self.columns)]))}
            new_key = self._key()
            if dice.random() < 0.3 and tuple(new_key.values()) not in self.rows:
                values |= new_key
            else:
                new_key = key
            new = self._run(f"UPDATE `{name}` SET {', '.join(f'`{c}` = {self._literal(v)}' for c, v in values.items())} WHERE {self._where(key)}", new_key)
            if new == old:
                return  # nothing is logged
            self.changes.append(("update", old, new))
            self.rows.pop(place)
            place = tuple(new_key.values())
        if new is None:
            del self.rows[place]
        else:
            self.rows[place] = new

    def messages(self):
        for kind, old, new in self.changes:
            yield from getattr(self.producer, kind)(self.table, *(row for row in (old, new) if row is not None))

    def script(self, way):
        if way == "copied":
            return "return {}"
        if way == "row":
            return "return { map = function(row) return row end }"
        if way == "mapped":
            return f"return {{ map = function(row) return {{ {', '.join(f'{name} = row.{name}' for name in self.table.columns)} }} end }}"
        columns = "".join(f'  {name} = function(row) return row.{name} end,\n' for name in self.columns)
        keys = "".join(f'  {name} = "{name}",\n' for name in self.keys)
        return f"return {{ columns = {{\n{keys}{columns}}} }}\n"


@pytest.mark.parametrize("name", PRODUCERS)
def test_there_and_back(job, mariadb, database, name):
    producer, dice = PRODUCERS[name], random.Random(f"{SEED} {name}")
    origin = mariadb.create_database(f"{database}_origin")
    try:
        with mariadb.connect(origin, conv={}, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(SESSION)
            samples = sample_cells(cursor)
            sources = [Source(dice, producer, cursor, samples, table, keys) for table, keys, _ in SHAPES]
            for source in sources:
                cursor.execute(source.sql)
            # In the order in which a database logs them: tables take turns.
            records = []
            for _ in range(CHANGES):
                for source in sources:
                    source.change()
            connection.commit()
            for source in sources:
                mariadb.execute(source.sql, database=database)
                records += source.messages()
            assert all(len(source.changes) > CHANGES // 2 for source in sources)
        job.file("in.jsonl", kcat_lines(records))
        job.write(**{source.table.name: source.script(way) for source, (_, _, way) in zip(sources, SHAPES)})
        ended = job.job(file_source("in.jsonl", producer.source, envelope="kcat"), tidb_sink(mariadb, database)).run().ok()
        assert ended.counts()["dead_letters"] == 0, mariadb.execute("SELECT source_table, error FROM streamlua_dead_letters LIMIT 5", database=database)
        for source in sources:
            compare(mariadb, origin, database, source)
    finally:
        mariadb.ensure()
        mariadb.drop_database(origin)


def sample_cells(cursor):
    """The types' own values, as the server has them."""
    found = {}
    for type_ in TYPES:
        cursor.execute(f"CREATE TEMPORARY TABLE sample (id INT PRIMARY KEY, c {type_.sql} NULL DEFAULT NULL) CHARSET utf8mb4")
        cursor.execute(f"INSERT INTO sample VALUES {', '.join(f'({i}, {sql})' for i, sql in enumerate(type_.values))}")
        found[type_] = [row["c"] for row in cells(cursor, "sample", {"c": type_}, "1 ORDER BY id")]
        cursor.execute("DROP TEMPORARY TABLE sample")
    return found


def compare(mariadb, origin, database, source):
    name = source.table.name
    rows = []
    for side in (origin, database):
        with mariadb.connect(side, conv={}) as connection, connection.cursor() as cursor:
            cursor.execute(SESSION)
            rows.append({source.table.key_of(row): row for row in cells(cursor, name, source.table.columns)})
    expected, found = rows
    assert set(found) == set(expected), name
    wrong = [f"{name} {key} {column} ({source.table.columns[column].sql[:30]}): {row[column]!r:.60} there, {found[key][column]!r:.60} here"
             for key, row in expected.items() for column in source.table.columns if row[column] != found[key][column]]
    assert not wrong, "\n".join(wrong[:20])
    assert expected == source.rows, "the model of the test itself"
    sums = [mariadb.execute(f"CHECKSUM TABLE `{side}`.`{name}`")[0]["Checksum"] for side in (origin, database)]
    assert sums[0] and sums[0] == sums[1], name
