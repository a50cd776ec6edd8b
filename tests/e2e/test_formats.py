"""What formats make of messages: sl.format with functions of one's own, plain JSON rows, and the messages that are no rows."""

import json

import pytest

from support.debezium import Table
from support.files import dead_letters, into_sqlite, kcat_lines, rows, tab_lines
from support.job import Lua, file_source, kafka_source
from support.servers import Record

SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"

# The table stands in a header; a record or a header that is missing leaves no table.
EVENT_RECORD = '''sl.format(function(message)
  local table_name = message.headers.table
  if not message.value or not table_name then
    return { row = { body = message.value or sl.null, id = message.offset } }
  end
  local record = sl.json.decode(message.value)
  return { op = record.op, table = table_name, row = record.row, old = record.old, key = { "id" }, time = record.time }
end)'''


# ---- sl.format ----

def test_a_record_with_its_table_in_a_header(job):
    def record(table, value):
        return Record("events", b"k", value and json.dumps(value).encode(), headers=[("table", table)] if table else [])
    job.file("in.jsonl", kcat_lines([
        record("t", {"op": "insert", "row": {"id": 1, "v": "a"}}),
        record("t", {"op": "insert", "row": {"id": 2, "v": "b"}}),
        record("t", {"op": "update", "row": {"id": 2, "v": "c"}, "old": {"id": 2, "v": "b"}}),
        record("t", {"op": "delete", "old": {"id": 1, "v": "a"}}),
        record(None, {"op": "insert", "row": {"id": 3}}),
        record("t", None),
        record("elsewhere", {"row": {"id": 1}})]))
    into_sqlite(job, file_source("in.jsonl", Lua(EVENT_RECORD), envelope="kcat"),
                "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE nowhere (id INTEGER PRIMARY KEY, body TEXT)",
                t="return {}", DEFAULT_TABLE_KEY='return { target = "nowhere" }')
    job.run().ok().counts(written=6, unmatched=1)
    assert rows(job) == [{"id": 2, "v": "c"}]
    assert rows(job, "SELECT * FROM nowhere ORDER BY id") == [
        {"id": 4, "body": '{"op": "insert", "row": {"id": 3}}'}, {"id": 5, "body": None}]


def test_without_a_table_and_without_its_script_it_is_unmatched(job):
    job.file("in.jsonl", kcat_lines([Record("events", None, b"{}")]))
    into_sqlite(job, file_source("in.jsonl", Lua(EVENT_RECORD), envelope="kcat"), SCHEMA, t="return {}")
    job.run().ok().counts(unmatched=1)


def test_lists_nil_and_errors(job):
    job.file("in.txt", "1,2,3\nskip\nbad\n\n4\nodd\n")
    into_sqlite(job, file_source("in.txt", Lua('''sl.format(function(message)
  if message.value == "skip" then return nil end
  if message.value == "bad" then
    error "no numbers here"
  end
  if message.value == "odd" then return { op = "inster", table = "t", row = { id = 1 } } end
  local events = {}
  for id in message.value:gmatch "%d+" do
    events[#events + 1] = { table = "t", row = { id = id, v = message.topic .. message.partition .. message.offset }, key = { "id" } }
  end
  return events
end)''')), SCHEMA, t="return {}")
    ended = job.run().ok()
    assert rows(job) == [{"id": 1, "v": "in.txt00"}, {"id": 2, "v": "in.txt00"}, {"id": 3, "v": "in.txt00"}, {"id": 4, "v": "in.txt04"}]
    bad, odd = dead_letters(job)
    assert bad["error"].startswith("job.lua:") and "no numbers here" in bad["error"]
    assert (bad["stage"], bad["value"], bad["offset"]) == ("decode", b"bad", 2)
    assert "did you mean 'insert'" in odd["error"] and odd["value"] == b"odd"
    ended.counts(written=4, dead_letters=2, ignored=1)


def test_a_message_has_all_of_kafkas_fields(job, kafka, topic):
    name = topic(partitions=2)
    kafka.produce([Record(name, b"key", b"{}", 1, [("a", b"1"), ("b", b"x")], 1700000000123), Record(name, None, None, 0, [], 1700000000456)])
    into_sqlite(job, kafka_source(kafka, name, Lua('''sl.format(function(m)
  return { table = "t", row = { id = m.partition, v = table.concat({ m.topic, m.offset, m.time, tostring(m.key), tostring(m.value),
    tostring(m.headers.a), tostring(m.headers.b) }, " ") }, key = { "id" } }
end)''')), SCHEMA, t="return {}")
    job.run("--until", "latest").ok()
    assert [row["v"] for row in rows(job)] == [f"{name} 0 1700000000456 nil nil nil nil", f"{name} 0 1700000000123 key {{}} 1 x"]


def test_json_decode_in_a_format_keeps_digits_and_null(job):
    job.file("in.jsonl", '{"id":1,"v":12345678901234567890123}\n{"id":2,"v":null}\n')
    into_sqlite(job, file_source("in.jsonl", Lua('''sl.format(function(m)
  local row = sl.json.decode(m.value)
  return { table = "t", row = { id = row.id, v = row.v == sl.null and "null it was" or row.v } }
end)''')), SCHEMA, t="return {}")
    job.run().ok()
    assert rows(job) == [{"id": 1, "v": "12345678901234567890123"}, {"id": 2, "v": "null it was"}]


# ---- json ----

def test_plain_rows(job):
    job.file("in.tsv", '1\t{"id":1,"v":"a"}\n2\t{"ID":2,"v":"b","more":1}\nx\t[{"id":3,"v":"c"},{"id":4,"v":"d"}]\n1\t\n{"id":4}\t\n')
    into_sqlite(job, file_source("in.tsv", "json", key_separator="\t", topic="shop.t"), SCHEMA, t="return {}")
    job.run().ok().counts(written=6)
    assert rows(job) == [{"id": 2, "v": "b"}, {"id": 3, "v": "c"}]


def test_a_member_that_stands_twice_the_last_counts(job):
    job.file("in.jsonl", '{"id":1,"v":"first","v":"last"}\n')
    into_sqlite(job, file_source("in.jsonl", "json", topic="t"), SCHEMA, t="return {}").run().ok()
    assert rows(job) == [{"id": 1, "v": "last"}]


@pytest.mark.parametrize("line", [b'{"id":1} x', b'{"id":1,"v":"\xff"}', b'{"id":1,"v":"\\ud800"}', b'{"id":1,', b"7", b'"text"', b'[{"id":1},2]'],
                         ids=["trailing", "utf8", "surrogate", "cut", "number", "text", "list"])
@pytest.mark.parametrize("format", ["json", "debezium"])
def test_what_is_no_json_row_is_a_dead_letter(job, line, format):
    good = b'{"id":2}' if format == "json" else Table("t").insert({"id": 2}).value
    job.file("in.jsonl", line + b"\n" + good + b"\n")
    ended = into_sqlite(job, file_source("in.jsonl", format, topic="shop.t"), SCHEMA, t="return {}").run().ok()
    [letter] = dead_letters(job)
    assert (letter["stage"], letter["value"], letter["topic"], letter["offset"]) == ("decode", line, "shop.t", 0) and letter["error"]
    assert [row["id"] for row in rows(job)] == [2]
    ended.counts(written=1, dead_letters=1)


# ---- what is no row ----

DDL = {"source": {"db": "shop", "table": "t"}, "databaseName": "shop", "ddl": "ALTER TABLE t ADD x INT", "tableChanges": []}
TRUNCATE = {"before": None, "after": None, "source": {"db": "shop", "table": "t"}, "op": "t", "ts_ms": 1}


def control_job(job, message, **more):
    records = [Table("t").insert({"id": 1}), Record("x", b"{}", json.dumps(message).encode()), Table("t").insert({"id": 2})]
    job.file("in.tsv", tab_lines(records))
    return into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, more, t="return {}")


@pytest.mark.parametrize("field, message, words", [("on_ddl", DDL, "schema change"), ("on_truncate", TRUNCATE, "TRUNCATE")], ids=["ddl", "truncate"])
@pytest.mark.parametrize("rule", [None, "ignore", "stop", "dead-letter"])
def test_schema_changes_and_truncates_go_by_their_rule(job, field, message, words, rule):
    ended = control_job(job, message, **{field: rule}).run()
    if rule == "stop":
        assert ended.code == 1
        assert words in ended.err and "in.tsv:0 offset 1" in ended.err
        assert {row["id"] for row in rows(job)} <= {1}
        return
    ended.ok()
    assert [row["id"] for row in rows(job)] == [1, 2]
    if rule == "dead-letter":
        [letter] = dead_letters(job)
        assert words in letter["error"] and json.loads(letter["value"]) == message
        ended.counts(written=2, dead_letters=1)
    else:
        ended.counts(written=2, ignored=1)


@pytest.mark.parametrize("message", [{"ts_ms": 1700000000000}, {"status": "BEGIN", "id": "f:1", "event_count": None, "data_collections": None, "ts_ms": 1},
                                     DDL], ids=["heartbeat", "transaction", "schema change"])
def test_control_messages_are_counted_and_ignored(job, message):
    ended = control_job(job, message).run().ok()
    ended.counts(written=2, ignored=1)


def test_a_tombstone_after_a_delete_is_ignored(job):
    table = Table("t")
    job.file("in.tsv", tab_lines([table.insert({"id": 1}), table.delete_with_tombstone({"id": 1}), table.insert({"id": 2})]))
    ended = into_sqlite(job, file_source("in.tsv", key_separator="\t"), SCHEMA, t="return {}").run().ok()
    assert [row["id"] for row in rows(job)] == [2]
    ended.counts(written=3, ignored=1)
