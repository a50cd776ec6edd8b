"""Records as a file source reads them, and SQLite files as targets."""

import base64
import json
import sqlite3

from .job import sqlite_sink, tidb_sink


def tab_lines(records):
    """key<TAB>message a line; a tombstone has an empty message."""
    return b"".join((r.key or b"") + b"\t" + (r.value or b"") + b"\n" for r in flat(records))


def kcat_lines(records):
    """What `kcat -J` prints; bytes that are no text stand in key_base64 and payload_base64."""
    lines = []
    for offset, record in enumerate(flat(records)):
        line = {"topic": record.topic, "partition": record.partition or 0, "offset": offset if record.offset is None else record.offset,
                "tstype": "create", "ts": record.timestamp or 1700000000000, "broker": 0,
                "headers": [part for header in record.headers for part in header], **_text("key", record.key), **_text("payload", record.value)}
        lines.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return b"".join(lines)


def flat(records):
    """delete_with_tombstone and change_key make lists."""
    return [one for record in records for one in (record if isinstance(record, list) else [record])]


def _text(name, data):
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def sqlite(path, sql, *args):
    """Runs one statement, or a script where there are no arguments; returns the rows as dicts."""
    connection = sqlite3.connect(path, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        if ";" in sql:
            connection.executescript(sql)
            return []
        with connection:
            return [dict(row) for row in connection.execute(sql, args)]
    finally:
        connection.close()


def into_sqlite(job, source, schema, more={}, **scripts):
    """A job into out.db beside it, made with this schema; scripts by name."""
    sqlite(job.folder / "out.db", schema + ";")
    return job.write(**scripts).job(source, sqlite_sink("out.db"), **more)


def into_either(job, request, kind, source, schema, more={}, **scripts):
    """The same into "sqlite", or into "mariadb", whose server is only asked for then. Returns what reads the target: (sql) -> rows as dicts."""
    if kind == "sqlite":
        into_sqlite(job, source, schema, more, **scripts)
        return lambda sql: rows(job, sql)
    mariadb, database = request.getfixturevalue("mariadb"), request.getfixturevalue("database")
    mariadb.execute(schema, database=database)
    job.write(**scripts).job(source, tidb_sink(mariadb, database), **more)
    return lambda sql: mariadb.execute(sql, database=database)


def dead_letters_in(found):
    """What into_either's reader finds of them, in their order."""
    return found("SELECT * FROM streamlua_dead_letters ORDER BY topic, `partition`, `offset`")


def rows(job, sql="SELECT * FROM t ORDER BY id"):
    return sqlite(job.folder / "out.db", sql)


def dead_letters(job):
    return rows(job, "SELECT * FROM streamlua_dead_letters ORDER BY topic, `partition`, `offset`")
