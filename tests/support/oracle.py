"""An independent idea of what the target must hold: the same changes, applied to dicts in memory by plain Python functions, and
compared with whole tables. It knows nothing of batches, lanes or transactions."""

import datetime
import decimal
import sqlite3

MOST_LINES = 20


class Table:
    """What becomes of one source table.

    key      columns of the target that tell its rows apart
    filter   (row, op) -> bool: False drops the change as if it had never come
    map      (row, op) -> a row of the target, or None; default: the row as it is
    where    (row) -> bool: the target holds exactly the rows for which it is true
    """

    def __init__(self, key, filter=None, map=None, where=None):
        self.key = key
        self.filter = filter or (lambda row, op: True)
        self.map = map or (lambda row, op: row)
        self.where = where or (lambda row: True)
        self.rows = {}

    def insert(self, row):
        self.apply("insert", None, row)

    def snapshot(self, row):
        self.apply("snapshot", None, row)

    def update(self, old, new):
        self.apply("update", old, new)

    def delete(self, old):
        self.apply("delete", old, None)

    def apply(self, op, old, new):
        if not self.filter(old if new is None else new, op):
            return
        if old is not None:
            mapped = self.map(old, op)
            if mapped is not None:
                self.rows.pop(self.key_of(mapped), None)
        if new is not None:
            mapped = self.map(new, op)
            if mapped is not None:
                self.rows.pop(self.key_of(mapped), None)
                if self.where(new):
                    self.rows[self.key_of(mapped)] = mapped

    def key_of(self, row):
        return tuple(as_text(row[column]) for column in self.key)


class Oracle:
    """Several source tables, by the names that their changes have."""

    def __init__(self, **tables):
        self.tables = tables

    def __getitem__(self, table):
        return self.tables[table]

    def apply(self, changes):
        """changes: (table, op, old, new), as debezium.Table.changes remembers them: one list for Kafka and for the oracle."""
        for table, op, old, new in changes:
            if table in self.tables:
                self.tables[table].apply(op, old, new)

    def expect_in_mariadb(self, mariadb, database, **names):
        """Every table equals the one of the same name, or of the name given for it."""
        _expect(diff(table, mariadb.table(names.get(name, name), database), names.get(name, name))
                for name, table in self.tables.items())

    def matches_mariadb(self, mariadb, database, **names):
        """The same as an answer, to wait for."""
        return not any(diff(table, mariadb.table(names.get(name, name), database))
                       for name, table in self.tables.items())

    def expect_in_sqlite(self, path, **names):
        _expect(diff(table, sqlite_table(path, names.get(name, name)), names.get(name, name))
                for name, table in self.tables.items())


def _expect(differences):
    found = [each for each in differences if each]
    assert not found, "\n".join(found)


def sqlite_table(path, table):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        cursor = connection.execute(f'SELECT * FROM "{table}"')
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]


def as_text(value):
    """One form for values that mean the same, whichever side they come from. Digits count: 1.10 is not 1.1."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        seconds = abs(value) // datetime.timedelta(seconds=1)
        sign = "-" if value < datetime.timedelta() else ""
        fraction = f".{abs(value).microseconds:06}" if value.microseconds else ""
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
    raise TypeError(f"no text for {value!r}")


def diff(table, actual, name="table"):
    """What is wrong with the actual rows, for a person to read; "" where nothing is. Columns that the expected row does not
    have are not looked at."""
    lines, seen = [], {}
    for row in actual:
        key = table.key_of(row)
        if key in seen:
            lines.append(f"  twice       {_name(table, key)}: {_show(row)}")
        seen[key] = row
    for key, row in table.rows.items():
        if key not in seen:
            lines.append(f"  missing     {_name(table, key)}: {_show(row)}")
            continue
        wrong = [f"{column} is {_value(seen[key].get(column, '(no such column)'))}, expected {_value(value)}"
                 for column, value in row.items() if column not in seen[key] or as_text(seen[key][column]) != as_text(value)]
        if wrong:
            lines.append(f"  differs     {_name(table, key)}: {'; '.join(wrong)}")
    lines += [f"  unexpected  {_name(table, key)}: {_show(row)}" for key, row in seen.items() if key not in table.rows]
    if not lines:
        return ""
    head = f"{name}: {len(lines)} differences, {len(actual)} rows where {len(table.rows)} are expected"
    more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return "\n".join([head, *lines[:MOST_LINES], *more])


def _name(table, key):
    return ", ".join(f"{column}={_value(value)}" for column, value in zip(table.key, key))


def _value(value):
    text = repr(as_text(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _show(row):
    return "{" + ", ".join(f"{column}: {_value(value)}" for column, value in row.items()) + "}"
