"""Every type of MySQL in every format: a row of a real database becomes a message, the message a row of another table, once by a column that is
copied and once through a Lua function that returns what it is given. What messages hold, what Lua sees and what is written is lua/VALUES.md,
which these tests hold to what they see; WRITE_VALUES=1 writes it anew."""


import os

import pymysql
import pytest

from support import values_md
from support.files import kcat_lines
from support.formats import Dead, Table, dump
from support.formats.avro import InAvro
from support.formats.canal import Canal, TicdcCanal
from support.formats.debezium import Debezium, Flattened, TicdcDebezium
from support.formats.maxwell import Maxwell
from support.formats.rows import Rows
from support.formats.ticdc import Open, Simple
from support.job import Lua, file_source, tidb_sink
from support.mysql_types import SESSION, TYPES, Type, cells

ID = Type("INT", "int", (), 32)


class Mode:
    """A producer, and how lua/VALUES.md speaks of it."""

    def __init__(self, family, messages, producer):
        self.family, self.messages, self.producer = family, messages, producer

    @property
    def legend(self):
        source = getattr(self.producer, "shown", None) or self.producer.source
        return f"{self.messages} | `{source if source.startswith('{') else repr(source)}`"


def debezium(messages, setting=None, **modes):
    return Mode("debezium", messages, Debezium(Lua(setting) if setting else "debezium", **modes))


def bare(messages, setting=None, **modes):
    return debezium("without schema" + messages, setting, schemas=False, **modes)


MODES = {
    "debezium": debezium("with schema, its defaults"),
    "debezium string": debezium("decimal.handling.mode=string, time.precision.mode=isostring, bigint.unsigned.handling.mode=precise, binary.handling.mode=hex",
                                "{ 'debezium', binary = 'hex' }", decimal="string", time="isostring", bigint="precise", binary="hex"),
    "debezium double": debezium("decimal double, time connect, binary base64, TINYINT(1) as boolean", "{ 'debezium', binary = 'base64' }",
                                decimal="double", time="connect", binary="base64", boolean=True, widened=False),
    "debezium number": debezium("the converter's decimal.format=NUMERIC, time microseconds", decimal="number", time="microseconds"),
    "debezium nanoseconds": debezium("time nanoseconds", time="nanoseconds"),
    "bare": bare(", its defaults"),
    "bare precise": bare(", bigint precise, binary hex", "{ 'debezium', decimal = 'precise', binary = 'hex' }", bigint="precise", binary="hex", boolean=True),
    "bare string": bare(", decimal string, time isostring, binary base64-url-safe", "{ 'debezium', decimal = 'string', binary = 'base64-url-safe' }",
                        decimal="string", time="isostring", binary="base64-url-safe", widened=False),
    "bare double": bare(", decimal double", "{ 'debezium', decimal = 'double' }", decimal="double"),
    "bare connect": bare(", time connect", "{ 'debezium', time = 'connect' }", time="connect"),
    "bare microseconds": bare(", time microseconds", "{ 'debezium', time = 'microseconds' }", time="microseconds"),
    "bare nanoseconds": bare(", time nanoseconds", "{ 'debezium', time = 'nanoseconds' }", time="nanoseconds"),
    "flat": Mode("debezium", "ExtractNewRecordState, with schema", Flattened()),
    "flat bare": Mode("debezium", "ExtractNewRecordState, without schema", Flattened(schemas=False, rewrite=False)),
    "avro": Mode("avro", "Debezium's defaults in Avro", InAvro(Debezium())),
    "avro flat": Mode("avro", "ExtractNewRecordState in Avro", InAvro(Flattened())),
    "maxwell": Mode("maxwell", "its defaults", Maxwell()),
    "canal": Mode("canal", "flat messages, a server at +08:00", Canal(Lua("{ 'canal', zone = '+08:00' }"), zone=8)),
    "canal untyped": Mode("canal", "flat messages without mysqlType", Canal(types=False)),
    "canal-json": Mode("ticdc", "TiCDC's canal-json, a changefeed at -03:30", TicdcCanal(Lua("{ 'ticdc', zone = '-03:30' }"), zone=-3.5)),
    "open": Mode("ticdc", "TiCDC's Open Protocol, a changefeed at +05:30", Open(Lua("{ 'ticdc', zone = '+05:30' }"), zone=5.5)),
    "simple": Mode("ticdc", "TiCDC's Simple protocol, in Asia/Shanghai", Simple(Lua("{ 'ticdc', zone = '+08:00' }"), zone=8, location="Asia/Shanghai")),
    "ticdc debezium": Mode("ticdc", "TiCDC's Debezium form", TicdcDebezium()),
    "json": Mode("json", "rows, times as MySQL writes them", Rows(Lua("{ 'json', binary = 'base64' }"))),
    "json iso": Mode("json", "rows, times as ISO 8601 has them", Rows(Lua("{ 'json', binary = 'hex' }"), binary="hex", iso=True)),
}
LEGEND = {label: (mode.legend, mode.family) for label, mode in MODES.items()}
WRITE = bool(os.environ.get("WRITE_VALUES"))
seen_by_all = {}

SCRIPT = """local show = require "show"
return { columns = { id = "id", c = "c", f = function(row) return row.f end, seen = function(row) return show(row.f) end } }
"""

SHOW = r"""-- A value as Lua's source would have it; bytes that are no text in hexadecimal.
return function(value)
  if type(value) == "number" then
    return tonumber(("%.15g"):format(value)) == value and ("%.15g"):format(value) or ("%.17g"):format(value)
  elseif type(value) ~= "string" then
    return tostring(value)
  elseif value:find "[%z\1-\31\127]" or not value:find "^[%w%p %z\128-\255]*$" or value:find "[\128-\193\245-\255]" and not value:find "[\194-\244]" then
    return "x'" .. value:gsub(".", function(c) return ("%02X"):format(c:byte()) end) .. "'"
  end
  return "'" .. value:sub(1, 200) .. "'"
end
"""


@pytest.fixture(scope="module")
def world(mariadb_server):
    """A source and a target with a table for each type; the source is filled, and its rows are as the server has them."""
    server = mariadb_server
    source, target = (server.create_database(f"values_{side}") for side in ("source", "target"))
    statements = [f"{SESSION};"]
    for type_ in TYPES:
        null = " NULL DEFAULT NULL"
        statements.append(f"CREATE TABLE {source}.{type_.name} (id INT PRIMARY KEY, c {type_.sql}{null});")
        statements.append(f"CREATE TABLE {target}.{type_.name} (id INT PRIMARY KEY, c {type_.sql}{null}, f {type_.sql}{null}, seen TEXT) CHARSET utf8mb4;")
        values = ", ".join(f"({i}, {sql})" for i, sql in enumerate((*type_.values, "NULL")))
        statements.append(f"INSERT INTO {source}.{type_.name} VALUES {values};")
    with server.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, conv={}) as connection, connection.cursor() as cursor:
        cursor.execute("\n".join(statements))
        while cursor.nextset():
            pass
        cursor.execute(SESSION)
        cursor.execute(f"USE {source}")
        rows = {type_: [row["c"] for row in cells(cursor, type_.name, {"id": None, "c": type_}, "1 ORDER BY id")] for type_ in TYPES}
    yield server, target, rows
    server.ensure()
    for name in (source, target):
        server.drop_database(name)


def messages(producer, rows, base):
    """(records, expected): expected[type] are (id, wire, cell, why)."""
    records, expected = [], {}
    for type_, values in rows.items():
        if type_.kind in producer.skips:
            continue
        table = Table(type_.name, {"id": ID, "c": type_, "f": type_}, topic=f"shop.shop.{type_.name}")
        expected[type_] = []
        for number, cell in enumerate(values):
            id_ = base + number
            records += producer.insert(table, {"id": str(id_), "c": cell, "f": cell})
            expected[type_].append((id_, producer.wire(type_, cell), *producer.arrives(type_, cell)))
    return records, expected


@pytest.mark.parametrize("mode", MODES)
def test_every_type(job, world, mode):
    server, target, rows = world
    producer, base = MODES[mode].producer, 1000 * (1 + list(MODES).index(mode))
    records, expected = messages(producer, rows, base)
    job.file("in.jsonl", kcat_lines(records)).file("show.lua", SHOW)
    job.write(**{type_.name: SCRIPT for type_ in expected})
    ended = job.job(file_source("in.jsonl", producer.source, envelope="kcat"), tidb_sink(server, target)).run()
    assert ended.code == 0, ended.err

    wrong, shown, dead = [], {}, 0
    with server.connect(target, conv={}) as connection, connection.cursor() as cursor:
        cursor.execute(SESSION)
        for type_, values in expected.items():
            there = {int(row["id"]): row for row in cells(cursor, type_.name, {"id": None, "c": type_, "f": type_, "seen": None},
                                                          f"id BETWEEN {base} AND {base + 999}")}
            for id_, wire, cell, why in values:
                row = there.get(id_)
                arrived = (row["c"], row["f"]) if row else (Dead, Dead)
                dead += cell is Dead
                if arrived != (cell, cell):
                    wrong.append(f"{type_.sql[:30]}: {repr(wire)[:60]} gave {repr(arrived)[:160]}, expected {repr(cell)[:80]} {why}; Lua saw {row and row['seen']}")
            if values_md.documented(type_):
                id_, wire, _, _ = values[0]
                row = (values_md.cut(dump(wire)), values_md.cut(there[id_]["seen"]), values_md.show(there[id_]["f"])) if id_ in there else None
                shown[type_] = (row, sorted({why for *_, why in values if why}))
        cursor.execute("SELECT source_table, error FROM streamlua_dead_letters WHERE job = %s", [job.name])
        letters = cursor.fetchall()
    assert not wrong, "\n".join([f"{len(wrong)} cells are wrong", *wrong[:20], *sorted({f"dead letter: {t}: {e}" for t, e in letters})[:10]])
    assert len(letters) == dead, letters
    seen_by_all[mode] = shown
    if not WRITE:
        written = values_md.read(LEGEND)
        assert {type_.shown: written.get((type_.shown, mode)) for type_ in shown} == {type_.shown: row for type_, row in shown.items()}


def test_every_type_and_format_is_documented():
    if WRITE:
        assert list(seen_by_all) == list(MODES), "WRITE_VALUES=1 needs all of these tests in one process: -n 0"
        values_md.write(LEGEND, seen_by_all)
    written = values_md.read(LEGEND)
    expected = {(type_.shown, label) for label, mode in MODES.items() for type_ in TYPES
                if type_.kind not in mode.producer.skips and values_md.documented(type_)}
    assert set(written) == expected
    for label, (legend, _) in LEGEND.items():
        assert f"| {label} | {legend} |\n" in values_md.PATH.read_text()


THREE = """return { columns = { id = "id", c = "c", seen = function(row)
  return row:has "c" and (row.c == nil and "null" or "<" .. row.c .. ">") or "absent"
end } }"""


@pytest.mark.parametrize("mode", ["debezium", "bare", "flat", "maxwell", "canal", "canal-json", "open", "simple", "json"])
def test_null_absent_and_empty_are_three_things(job, mariadb, database, mode):
    producer = MODES[mode].producer
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(20) DEFAULT 'default', seen TEXT)", database=database)
    table = Table("t", {"id": ID, "c": Type("VARCHAR(20)", "varchar", ())}, topic="shop.shop.t")
    rows = [{"id": "1", "c": None}, {"id": "2"}, {"id": "3", "c": ""}]
    job.file("in.jsonl", kcat_lines([record for row in rows for record in producer.insert(table, row)]))
    job.write(t=THREE).job(file_source("in.jsonl", producer.source, envelope="kcat"), tidb_sink(mariadb, database)).run().ok().counts(written=3)
    assert [(row["c"], row["seen"]) for row in mariadb.execute("SELECT * FROM t ORDER BY id", database=database)] == [
        (None, "null"), ("default", "absent"), ("", "<>")]
