"""ctx.tx and ctx.position: in which transaction, and where in its source's log, a change stood, as each format says it."""

import base64
import json

import pytest

from support.files import into_sqlite, rows
from support.job import file_source

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, tx TEXT, position TEXT)"
SCRIPT = "return { columns = { id = 'id', tx = function(_, ctx) return ctx.tx end, position = function(_, ctx) return ctx.position end } }"
TS = 445980364316180481


def debezium(transaction=None, **source):
    return {"before": None, "after": {"id": 1}, "op": "c", "transaction": transaction, "source": {"db": "shop", "table": "t", "ts_ms": 5, **source}}


def maxwell(**more):
    return {"database": "shop", "table": "t", "type": "insert", "ts": 5, "data": {"id": 1}, **more}


def canal(**more):
    return {"database": "shop", "table": "t", "type": "INSERT", "isDdl": False, "es": 5, "data": [{"id": "1"}], "old": None, "pkNames": ["id"], **more}


MYSQL = {"connector": "mysql", "file": "mysql-bin.000003", "pos": 484, "row": 0, "gtid": None}
GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"
CASES = {
    "debezium, mysql": ("debezium", debezium(**MYSQL), None, "mysql-bin.000003:484"),
    "debezium, mysql with gtid": ("debezium", debezium(**{**MYSQL, "gtid": GTID}), GTID, "mysql-bin.000003:484"),
    "debezium, transaction metadata": ("debezium", debezium({"id": "file=a,pos=1", "total_order": 1, "data_collection_order": 1}, **MYSQL),
                                       "file=a,pos=1", "mysql-bin.000003:484"),
    "debezium with schema": ("debezium", {"schema": None, "payload": debezium(**MYSQL)}, None, "mysql-bin.000003:484"),
    "debezium, postgres": ("debezium", debezium(connector="postgresql", schema="public", txId=565, lsn=24023128), "565", "24023128"),
    "debezium, sqlserver": ("debezium", debezium(connector="sqlserver", schema="dbo", change_lsn="00000027:00000758:0003",
                                                 commit_lsn="00000027:00000758:0005"), None, "00000027:00000758:0003"),
    "debezium, oracle": ("debezium", debezium(connector="oracle", schema="S", txId="6.28.807", scn="2122185"), "6.28.807", "2122185"),
    "debezium, ticdc": ("debezium", debezium(connector="TiCDC", commit_ts=TS), str(TS), str(TS)),
    "flat": ("debezium", {"id": 1, "__table": "t", "__op": "c", "__source_file": "bin.1", "__source_pos": 7, "__gtid": GTID}, GTID, "bin.1:7"),
    "flat, nothing added": ("debezium", {"id": 1, "xid": 5, "__table": "t"}, None, None),
    "maxwell": ("maxwell", maxwell(xid=12345, commit=True, position="master.000006:800911"), "12345", "master.000006:800911"),
    "maxwell, by itself": ("maxwell", maxwell(), None, None),
    "maxwell, gtid": ("maxwell", maxwell(xid=12345, gtid=GTID), "12345", GTID),
    "canal": ("canal", canal(gtid=GTID), GTID, GTID),
    "canal without gtid": ("canal", canal(gtid=""), None, None),
    "canal-json": ("ticdc", canal(_tidb={"commitTs": TS}), str(TS), str(TS)),
    "simple": ("ticdc", {"version": 1, "database": "shop", "table": "t", "type": "INSERT", "commitTs": TS, "data": {"id": "1"}, "old": None},
               str(TS), str(TS)),
    "json": ({1: "json", "table": {"field": "t"}}, {"id": 1, "t": "t"}, None, None),
}


def place(job):
    [row] = rows(job, "SELECT tx, position FROM t")
    return row["tx"], row["position"]


@pytest.mark.parametrize("name", CASES)
def test_what_a_message_says(job, name):
    setting, message, tx, position = CASES[name]
    job.file("in.jsonl", json.dumps(message) + "\n")
    into_sqlite(job, file_source("in.jsonl", setting), SCHEMA, t=SCRIPT)
    job.run().ok().counts(written=1)
    assert place(job) == (tx, position)


def test_open_protocol(job):
    def framed(text, head=b""):
        return head + len(text).to_bytes(8, "big") + text
    key = framed(json.dumps({"ts": TS, "scm": "shop", "tbl": "t", "t": 1}).encode(), (1).to_bytes(8, "big"))
    value = framed(json.dumps({"u": {"id": {"t": 3, "h": True, "f": 11, "v": 1}}}).encode())
    record = {"topic": "t", "partition": 0, "offset": 0, "ts": 5, "key_base64": base64.b64encode(key).decode(),
              "payload_base64": base64.b64encode(value).decode()}
    job.file("in.jsonl", json.dumps(record) + "\n")
    into_sqlite(job, file_source("in.jsonl", "ticdc", envelope="kcat"), SCHEMA, t=SCRIPT)
    job.run().ok().counts(written=1)
    assert place(job) == (str(TS), str(TS))
