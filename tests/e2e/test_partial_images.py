"""Messages that hold only a part of their row: they change a row that is there, wait for one that is not, and never make one."""

import json

import pytest

from support.files import dead_letters, into_sqlite, rows
from support.job import Lua, file_source

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT DEFAULT 'default', w TEXT)"
GONE = "__debezium_unavailable_value"


def maxwell(kind, data, **more):
    return {"database": "shop", "table": "t", "type": kind, "ts": 1477053217, "data": data, **more}


def canal(kind, data, old=None):
    return {"database": "shop", "table": "t", "type": kind, "isDdl": False, "es": 1477053217000, "data": [data], "old": old, "pkNames": ["id"]}


def debezium(op, after=None, before=None):
    return {"before": before, "after": after, "op": op, "source": {"db": "shop", "table": "t", "ts_ms": 5}}


# By format: a whole row, a part of it without w, a delete, and how the format is called.
FORMATS = {
    "maxwell": ("maxwell", lambda row: maxwell("insert", row), lambda row: maxwell("update", row), lambda row: maxwell("delete", row)),
    "maxwell, nothing old": ("maxwell", lambda row: maxwell("insert", row), lambda row: maxwell("update", row, old={}),
                             lambda row: maxwell("delete", row)),
    "canal": ("canal", lambda row: canal("INSERT", row), lambda row: canal("UPDATE", row), lambda row: canal("DELETE", row)),
    "debezium": ("debezium", lambda row: debezium("c", row), lambda row: debezium("u", {**row, "w": GONE}), lambda row: debezium("d", None, row)),
    "debezium, absent": ("debezium", lambda row: debezium("c", row), lambda row: debezium("u", row, {**row, "w": "?"}),
                         lambda row: debezium("d", None, row)),
    "flat": ("debezium", lambda row: {**row, "__op": "c", "__table": "t"}, lambda row: {**row, "w": GONE, "__op": "u", "__table": "t"},
             lambda row: {**row, "__op": "d", "__table": "t"}),
    "flat, no op": ("debezium", lambda row: {**row, "__table": "t"}, lambda row: {**row, "w": GONE, "__table": "t"},
                    lambda row: {**row, "__deleted": "true", "__table": "t"}),
}
every_format = pytest.mark.parametrize("name", FORMATS)


def whole(id_, v, w="w"):
    return {"id": id_, "v": v, "w": w}


def run(job, setting, *partitions, script="return {}", schema=SCHEMA):
    paths = [f"in{n}.jsonl" for n in range(len(partitions))]
    for path, messages in zip(paths, partitions):
        job.file(path, "".join(json.dumps(message) + "\n" for message in messages))
    into_sqlite(job, file_source(paths, setting), schema, {"park_for": "1s"}, t=script)
    return job.run().ok()


def table(job):
    return [tuple(row.values()) for row in rows(job, "SELECT id, v, w FROM t ORDER BY id")]


@every_format
def test_a_row_that_is_there_keeps_what_the_message_leaves_out(job, name):
    setting, insert, update, _ = FORMATS[name]
    run(job, setting, [insert(whole(1, "a")), update({"id": 1, "v": "b"})]).counts(written=2)
    assert table(job) == [(1, "b", "w")]


@every_format
def test_a_row_that_never_comes_is_not_made_of_a_part(job, name):
    setting, insert, update, _ = FORMATS[name]
    run(job, setting, [insert(whole(1, "a")), update({"id": 2, "v": "b"})]).counts(written=1, dead_letters=1)
    assert table(job) == [(1, "a", "w")]
    [letter] = dead_letters(job)
    assert "t has no row with id = 2" in letter["error"] and "only a part of the row" in letter["error"]


@every_format
def test_a_row_that_comes_later_by_another_way_gets_the_part(job, name):
    setting, insert, update, _ = FORMATS[name]
    run(job, setting, [update({"id": 1, "v": "b"})], [insert(whole(id_, "a")) for id_ in (1, 2)]).counts(written=3)
    assert table(job) == [(1, "b", "w"), (2, "a", "w")]


@every_format
def test_what_stands_behind_a_part_is_newer(job, name):
    setting, insert, update, delete = FORMATS[name]
    run(job, setting, [update({"id": 1, "v": "old"}), insert(whole(1, "new")), update({"id": 2, "v": "old"}), delete(whole(2, "old"))]).counts(
        written=4)
    assert table(job) == [(1, "new", "w")]
    assert rows(job, "SELECT * FROM streamlua_parked") == []


def test_a_table_with_another_unique_index(job):
    setting, insert, update, _ = FORMATS["maxwell"]
    run(job, setting, [update({"id": 1, "v": "a"}), insert(whole(1, "b")), update({"id": 1, "v": "c"}), update({"id": 2, "v": "d"})],
        schema=SCHEMA.replace("w TEXT", "w TEXT UNIQUE")).counts(written=3, dead_letters=1)
    assert table(job) == [(1, "c", "w")]


def test_a_part_with_another_key_would_lose_the_rest(job):
    setting, insert, _, _ = FORMATS["debezium"]
    run(job, setting, [insert(whole(1, "a")), debezium("u", {"id": 2, "v": "b", "w": GONE}, {"id": 1, "v": "a", "w": GONE})]).counts(
        written=1, dead_letters=1)
    assert table(job) == [(1, "a", "w")]
    assert "another key" in dead_letters(job)[0]["error"]


@pytest.mark.parametrize("script, after", [
    ("return { columns = { id = 'id', v = 'v', w = function(row) return row.w and row.w:upper() end } }", (1, "b", "W")),
    ("return { map = function(row) return { id = row.id, v = row.v, w = row.w and row.w:upper() } end }", (1, "b", "W")),
    ("return { columns = { id = function(row) return row.id end, v = 'v', w = function(row) return row.w end } }", (1, "b", "w")),
    ("return { map = function(row) return { id = row.id, v = row.v } end }", (1, "b", None)),
    ("return { where = function(row) return row.v == 'a' or row.v == 'b' end }", (1, "b", "w")),
])
def test_functions_over_a_part_make_no_nulls(job, script, after):
    setting, insert, update, _ = FORMATS["maxwell"]
    run(job, setting, [insert(whole(1, "a")), update({"id": 1, "v": "b"})], script=script).counts(written=2)
    assert table(job) == [after]


@pytest.mark.parametrize("script, reason", [
    ("return { where = function(row) return row.w == 'w' end }", "where asks for a column"),
    ("return { map = function(row) return { id = row.id, v = row.v, w = row.w } end }", "map makes whole rows"),
])
def test_functions_that_cannot_tell_are_at_fault(job, script, reason):
    setting, insert, update, _ = FORMATS["maxwell"]
    run(job, setting, [insert(whole(1, "a")), update({"id": 1, "v": None})], script=script).counts(written=1, dead_letters=1)
    assert table(job) == [(1, "a", "w")]
    assert reason in dead_letters(job)[0]["error"]


@pytest.mark.parametrize("placeholder, shown", [
    ("(gone)", "(gone)"), ("(gone)", "KGdvbmUp"), ("(gone)", "28676f6e6529"), ("(gone)", ["(gone)"]), ("hex:28676f6e6529", "(gone)"),
])
def test_the_placeholder_is_a_setting(job, placeholder, shown):
    _, insert, _, _ = FORMATS["debezium"]
    run(job, Lua(f"{{ 'debezium', unavailable = '{placeholder}' }}"),
        [insert(whole(1, "a")), debezium("u", {"id": 1, "v": GONE, "w": shown})]).counts(written=2)
    assert table(job) == [(1, GONE, "w")]


@pytest.mark.parametrize("setting, reason", [
    ("{ 'debezium', unavailable = '' }", "an empty text"), ("{ 'debezium', unavailable = 'hex:0g' }", "no octets"),
    ("{ 'maxwell', unavailable = 'x' }", "debezium and avro"),
])
def test_what_is_no_placeholder(job, setting, reason):
    job.file("in.jsonl", "")
    into_sqlite(job, file_source("in.jsonl", Lua(setting)), SCHEMA, t="return {}")
    ended = job.run()
    assert ended.code == 2 and reason in ended.err
