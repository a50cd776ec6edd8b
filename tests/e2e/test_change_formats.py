"""Maxwell, Canal and TiCDC from a file into a table: what a whole run makes of their messages. The formats themselves have unit tests."""

import json

import pytest

from support.files import dead_letters, into_sqlite, rows
from support.job import Lua, file_source

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT DEFAULT 'default', raw BLOB, at TIMESTAMP, own TEXT NOT NULL DEFAULT 'mine')"


def lines(*messages):
    return "".join(json.dumps(message) + "\n" for message in messages)


def maxwell(kind, data, **more):
    return {"database": "shop", "table": "t", "type": kind, "ts": 1477053217, "data": data, **more}


def canal(kind, data, old=None):
    types = {"id": "bigint(20)", "v": "varchar(9)", "raw": "blob", "at": "timestamp"}
    return {"database": "shop", "table": "t", "type": kind, "isDdl": False, "es": 1477053217000, "data": data, "old": old, "pkNames": ["id"],
            "mysqlType": types}


def simple(kind, data=None, old=None):
    return {"version": 1, "database": "shop", "table": "t", "type": kind, "commitTs": 445980364316180481, "data": data, "old": old}


def run(job, text, setting):
    job.file("in.jsonl", text)
    into_sqlite(job, file_source("in.jsonl", Lua(setting)), SCHEMA, t="return {}")
    return job.run().ok()


def result(job):
    return rows(job, "SELECT id, v, hex(raw) AS raw, at, own FROM t ORDER BY id")


def row(id_, v, raw="89504E47", at="2023-11-29 20:34:56"):
    return {"id": id_, "v": v, "raw": raw, "at": at, "own": "mine"}


def test_maxwell(job):
    whole = {"v": "a", "raw": "iVBORw==", "at": "2023-11-29 20:34:56"}
    run(job, lines(
        maxwell("bootstrap-start", {}), maxwell("bootstrap-insert", {"id": 1, **whole}), maxwell("bootstrap-complete", {}),
        maxwell("insert", {"id": 2, **whole}), maxwell("update", {"id": 3, **whole}, old={"id": 2}), maxwell("insert", {"id": 4, **whole}),
        maxwell("delete", {"id": 4, **whole}), maxwell("update", {"id": 1, "v": "minimal"}), maxwell("upsert", {"id": 5})),
        "'maxwell'").counts(written=6, ignored=2, dead_letters=1)
    assert result(job) == [row(1, "minimal"), row(3, "a")]
    assert "upsert" in dead_letters(job)[0]["error"]


@pytest.mark.parametrize("absent, v", [("null", None), ("keep", "default")])
def test_columns_that_a_whole_row_leaves_out(job, absent, v):
    run(job, lines(maxwell("insert", {"id": 1})), f"{{ 'maxwell', absent = '{absent}' }}").counts(written=1)
    assert result(job) == [row(1, v, raw="", at=None)]


def test_canal(job):
    whole = {"v": "a", "raw": "\x89PNG", "at": "2023-11-30 04:34:56"}
    run(job, lines(
        canal("INSERT", [{"id": "1", **whole}, {"id": "2", **whole}, {"id": "3", **whole}]),
        canal("UPDATE", [{"id": "1", **whole, "v": "b"}, {"id": "4", **whole}], [{"v": "a"}, {"id": "2"}]),
        canal("DELETE", [{"id": "3", **whole}])), "{ 'canal', zone = '+08:00' }").counts(written=6)
    assert result(job) == [row(1, "b"), row(4, "a")]


def test_ticdc_simple(job):
    def whole(id_, v):
        return {"id": id_, "v": v, "raw": "iVBORw==", "at": {"location": "Asia/Shanghai", "value": "2023-11-30 04:34:56"}}
    run(job, lines(
        {"version": 1, "type": "WATERMARK", "commitTs": 445980364316180480}, simple("INSERT", whole("1", "a")), simple("INSERT", whole("2", "a")),
        simple("UPDATE", whole("3", "b"), whole("2", "a")), simple("DELETE", None, whole("1", "a"))),
        "{ 'ticdc', zone = '+08:00' }").counts(written=4, ignored=1)
    assert result(job) == [row(3, "b")]
