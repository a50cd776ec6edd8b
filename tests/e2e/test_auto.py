"""format = "auto": each topic is read as what its first messages are."""

import json
import sqlite3

from support.job import file_source, sqlite_sink

DEBEZIUM = {"before": None, "after": {"id": 1, "amount": "EtaH", "day": 19691}, "source": {"db": "shop", "table": "orders"}, "op": "c"}
MAXWELL = {"database": "shop", "table": "orders", "type": "insert", "ts": 1701347696, "data": {"id": 2, "amount": 123.4567, "day": "2023-11-30"}}
CANAL = {"database": "shop", "table": "orders", "type": "INSERT", "isDdl": False, "es": 1701347696000, "pkNames": ["id"],
         "data": [{"id": "3", "amount": "123.4567", "day": "2023-11-30"}]}


def record(topic, offset, message):
    return json.dumps({"topic": topic, "partition": 0, "offset": offset, "key": None, "payload": json.dumps(message)}) + "\n"


def test_topics_of_several_formats_make_the_same_rows(job):
    job.file("in.jsonl", record("a", 0, DEBEZIUM) + record("b", 0, MAXWELL) + record("c", 0, CANAL) + record("b", 1, DEBEZIUM | {"op": "u"}))
    with sqlite3.connect(job.folder / "out.db") as db:
        db.execute("CREATE TABLE orders (id INT PRIMARY KEY, amount DECIMAL(10,4), day DATE)")
    run = job.write(orders="return {}").job(file_source("in.jsonl", "auto", envelope="kcat"), sqlite_sink("out.db")).run()
    run.ok()
    with sqlite3.connect(job.folder / "out.db") as db:
        rows = db.execute("SELECT id, amount, day FROM orders ORDER BY id").fetchall()
        errors = [row[0] for row in db.execute("SELECT error FROM streamlua_dead_letters")]
    assert rows == [(i, 123.4567, "2023-11-30") for i in (1, 2, 3)]
    assert len(errors) == 1
    assert "mix of formats" in errors[0] and "maxwell" in errors[0] and "debezium" in errors[0]
    assert 'topic a: format "debezium"' in run.err
