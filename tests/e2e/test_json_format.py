"""The format json with settings, and columns within columns."""

import json
import sqlite3

from support.job import file_source, sqlite_sink

SCHEMA = "CREATE TABLE orders (id INT PRIMARY KEY, city TEXT, total DECIMAL(10,2), note TEXT); CREATE TABLE rest (id INT PRIMARY KEY)"


def run(job, messages, format, **scripts):
    with sqlite3.connect(job.folder / "out.db") as db:
        db.executescript(SCHEMA)
    job.file("in.jsonl", "".join(json.dumps(message) + "\n" for message in messages))
    result = job.write(**scripts).job(file_source("in.jsonl", format, topic="x.shop.things"), sqlite_sink("out.db")).run().ok()
    with sqlite3.connect(job.folder / "out.db") as db:
        rows = db.execute("SELECT * FROM orders ORDER BY id").fetchall()
        errors = [row[0] for row in db.execute("SELECT error FROM streamlua_dead_letters ORDER BY `offset`")]
    return result, rows, errors


def test_nested_fields_are_columns_by_their_path_copied_and_in_lua(job):
    messages = [{"data": {"id": 1, "address": {"city": "Ulm"}}, "total": 12.5, "tags": ["a", "b"]},
                {"data": {"id": 2}, "total": "7.25", "tags": []}]
    script = '''return {
      target = "orders",
      columns = {
        id = "data.id", city = "data.address.city", total = "total",
        note = function(row) return (row["tags.0"] or "none") .. "/" .. tostring(row:has "data.address.city") .. "/" .. row["data.id"] end,
      },
    }'''
    result, rows, errors = run(job, messages, "json", things=script)
    assert errors == []
    assert rows == [(1, "Ulm", 12.5, "a/true/1"), (2, None, 7.25, "none/false/2")]


def test_table_op_and_row_by_field(job):
    format = {1: "json", "table": {"field": "metadata.table-name"}, "database": {"field": "metadata.schema-name"}, "op": "metadata.operation",
              "row": "data", "old": "before-image"}

    def message(operation, row, table="orders", **more):
        return {"data": row, "metadata": {"operation": operation, "schema-name": "shop", "table-name": table, "record-type": "data"}, **more}

    messages = [message("load", {"id": 1, "city": "Ulm"}), message("insert", {"id": 2, "city": "Bonn"}),
                message("update", {"id": 3, "city": "Köln"}, **{"before-image": {"id": 2}}), message("delete", {"id": 1}),
                message("explode", {"id": 5}), message("insert", {"id": 6}, table=None), message("create-table", None)]
    result, rows, errors = run(job, messages, format, **{"shop.orders": "return {}", "DEFAULT_TABLE_KEY": 'return { target = "rest" }'})
    assert rows == [(3, "Köln", None, None)]
    assert len(errors) == 1 and "explode" in errors[0]
    with sqlite3.connect(job.folder / "out.db") as db:
        assert db.execute("SELECT id FROM rest").fetchall() == [(6,)]


def test_settings_that_say_nothing_are_refused(job):
    for format, word in [({1: "json", "table": {}}, "field"), ({1: "debezium", "op": "op"}, "format json"), ({1: "json", "op": {"feild": "x"}}, "feild")]:
        result = job.write(orders="return {}").job(file_source("in.jsonl", format), sqlite_sink("out.db")).run()
        assert result.code == 2 and word in result.err
