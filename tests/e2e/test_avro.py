"""Avro behind a schema registry, as Confluent's serializers, Debezium and TiCDC write it: encoded by a library of its own, from Kafka into MariaDB. That
every kind of change arrives exactly is test_main_job's to show; here is what only Avro has."""

import json
import re
import struct
import threading
from decimal import Decimal

import pytest

from support.debezium import Table
from support.job import Lua, kafka_source, tidb_sink
from support.registry import Avro, Registry, framed
from support.servers import Record

SCHEMA = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))"


def format_of(registry, **more):
    settings = "".join(f", {name} = {value!r}" for name, value in more.items())
    return Lua(f'{{ "avro", registry = "{registry.url}"{settings} }}')


@pytest.fixture
def avro_job(kafka, mariadb, topic, database, job, registry):
    """A job from the topic job.topic into the table t; job.table makes its changes."""
    mariadb.execute(SCHEMA, database=database)
    job.topic, job.avro = topic(), Avro(registry)
    job.table = Table("t", topic=job.topic, schemas=True)
    job.write(t="return {}").job(kafka_source(kafka, job.topic, format_of(registry)), tidb_sink(mariadb, database, lanes=2))
    return job


def rows(mariadb, database, sql="SELECT id, v FROM t ORDER BY id"):
    return mariadb.execute(sql, database=database)


def letters(mariadb, database):
    return mariadb.execute("SELECT * FROM streamlua_dead_letters ORDER BY `offset`", database=database)


def insert(job, id_, v="x"):
    return job.avro.of([job.table.insert({"id": id_, "v": v})])


# ---- rows ----

def test_flat_rows_and_names_that_were_spelt_as_avro_allows(avro_job, kafka, mariadb, database):
    mariadb.execute("CREATE TABLE flat (`1st` INT PRIMARY KEY, `unit-price` DECIMAL(10,2), `naïve` VARCHAR(9), note JSON, mine INT NOT NULL DEFAULT 7)",
                    database=database)
    row = {"type": "record", "name": "Value", "namespace": "p.shop.flat", "fields": [
        {"name": "_1st", "type": "int"},
        {"name": "unit_price", "type": ["null", {"type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal", "scale": 2,
                                                 "logicalType": "decimal", "precision": 10}]},
        {"name": "na_ve", "type": "string"},
        {"name": "note", "type": {"type": "map", "values": ["long", "string"]}},
        {"name": "__deleted", "type": ["null", "string"]}, {"name": "__table", "type": "string"}]}
    key = {"type": "record", "name": "Key", "namespace": "p.shop.flat", "fields": [{"name": "_1st", "type": "int"}]}

    def message(id_, price=None, deleted=None):
        price = None if price is None else price.to_bytes(4, "big", signed=True)
        return avro_job.avro(row, {"_1st": id_, "unit_price": price, "na_ve": "é", "note": {"a": 2**60}, "__deleted": deleted, "__table": "flat"})

    def at(id_):
        return avro_job.avro(key, {"_1st": id_})
    kafka.produce([Record(avro_job.topic, at(1), message(1, -1)), Record(avro_job.topic, at(2), message(2)), Record(avro_job.topic, at(3), message(3)),
                   Record(avro_job.topic, at(4), message(4)), Record(avro_job.topic, at(3), message(3, deleted="true"))])
    avro_job.write(flat="return {}", other="return { source = 'nothing', target = 'flat', columns = { ['1st'] = '1st', note = 'note' } }")
    avro_job.run("--until", "latest").ok().counts(written=5)
    assert rows(mariadb, database, "SELECT * FROM flat ORDER BY 1") == [
        {"1st": n, "unit-price": price, "naïve": "é", "note": '{"a":1152921504606846976}', "mine": 7}
        for n, price in ((1, Decimal("-0.01")), (2, None), (4, None))]


def test_a_tombstone_of_flat_rows_deletes(avro_job, kafka, mariadb, database, topic):
    avro_job.topic = topic("t")
    row = {"type": "record", "name": "Value", "fields": [{"name": "id", "type": "int"}, {"name": "v", "type": "string"}]}
    registry = avro_job.avro.registry
    avro_job.job(kafka_source(kafka, avro_job.topic, format_of(registry)), tidb_sink(mariadb, database))
    kafka.produce([Record(avro_job.topic, avro_job.avro("int", id_), value and avro_job.avro(row, {"id": id_, "v": value}))
                   for id_, value in ((1, "a"), (2, "b"), (1, None))])
    avro_job.run("--until", "latest").ok().counts(written=3)
    assert rows(mariadb, database) == [{"id": 2, "v": "b"}]


def test_ticdc(avro_job, kafka, mariadb, database, topic, registry):
    mariadb.execute("CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, at TIMESTAMP NULL, bits BIT(9), price DECIMAL(20,5), raw BLOB)", database=database)

    def column(name, kind, tidb, **more):
        return {"name": name, "type": {"type": kind, "connect.parameters": {"tidb_type": tidb}, **more}}
    key = {"type": "record", "name": "orders", "namespace": "default.shop", "fields": [column("id", "long", "BIGINT UNSIGNED")]}
    row = {**key, "fields": [*key["fields"], column("at", "string", "TIMESTAMP"), column("bits", "bytes", "BIT"),
                             column("price", "bytes", "DECIMAL", logicalType="decimal", scale=5, precision=20), column("raw", "bytes", "BLOB"),
                             {"name": "_tidb_op", "type": "string"}, {"name": "_tidb_commit_ts", "type": "long"},
                             {"name": "_tidb_commit_physical_time", "type": "long"}]}
    name = topic("tidb_shop_orders")

    def change(op, id_, bits):
        return Record(name, avro_job.avro(key, {"id": id_}), avro_job.avro(row, {
            "id": id_, "at": "2023-11-30 12:34:56", "bits": bits, "price": (-12345).to_bytes(3, "big", signed=True), "raw": b"\x00\xff",
            "_tidb_op": op, "_tidb_commit_ts": 1701347696123 << 18, "_tidb_commit_physical_time": 1701347696123}))
    kafka.produce([change("c", -1, b"\1\0"), change("c", 2, b"\1"), change("u", 2, b"\2"), change("c", 3, b""),
                   Record(name, avro_job.avro(key, {"id": 3})), Record(name, None, b"\2" + struct.pack(">Q", 1)),
                   Record(name, None, b"\1" + json.dumps({"query": "ALTER TABLE", "type": 5, "schema": "shop", "table": "orders", "commitTs": 1}).encode())])
    avro_job.write(orders="return {}")
    avro_job.job(kafka_source(kafka, name, format_of(registry, zone="+08:00")), tidb_sink(mariadb, database))
    avro_job.run("--until", "latest").ok().counts(written=5, ignored=2)
    assert mariadb.table("orders", database) == [
        {"id": id_, "at": "2023-11-30 04:34:56", "bits": bits, "price": "-0.12345", "raw": b"\x00\xff"}
        for id_, bits in (("2", b"\0\2"), ("18446744073709551615", b"\1\0"))]


def test_a_schema_that_refers_to_others(avro_job, kafka, mariadb, database, registry):
    registry.register({"type": "record", "name": "shop.Text", "fields": [{"name": "v", "type": "shop.Kind"}]}, "text", [("shop.Kind", "kind of it")])
    registry.register({"type": "enum", "name": "shop.Kind", "symbols": ["small", "large"]}, "kind of it")
    number = registry.register({"type": "record", "name": "shop.Row", "fields": [{"name": "id", "type": "int"}, {"name": "v", "type": "shop.Kind"},
                                                                                {"name": "more", "type": ["null", "shop.Text"]}]},
                               "row", [("shop.Text", "text")])
    kafka.produce([Record(avro_job.topic, None, framed(number, b"\x02\x02\x00"))])
    avro_job.write(t0='return { target = "t", columns = { id = "id", v = "v" } }')
    avro_job.run("--until", "latest").ok().counts(written=1)
    assert rows(mariadb, database) == [{"id": 1, "v": "large"}]


def test_where_a_change_stood_at_its_source(avro_job, kafka, mariadb, database):
    kafka.produce(insert(avro_job, 1))
    avro_job.write(t="return { columns = { id = 'id', v = function(_, ctx) return ctx.position .. (ctx.tx or ', no gtid') end } }")
    avro_job.run("--until", "latest").ok().counts(written=1)
    [row] = rows(mariadb, database)
    assert re.fullmatch(r"binlog\.000001:\d+, no gtid", row["v"])


# ---- the registry ----

def test_a_schema_is_asked_for_once(avro_job, kafka, mariadb, database, registry):
    kafka.produce([record for id_ in range(500) for record in insert(avro_job, id_)])
    avro_job.run("--until", "latest").ok().counts(written=500)
    assert sorted(registry.requests) == ["/schemas/ids/1", "/schemas/ids/2"]


@pytest.mark.parametrize("how", ["nobody listens", 500, 401, 429, 302])
def test_while_the_registry_is_away_nothing_is_lost(avro_job, kafka, mariadb, database, registry, how):
    kafka.produce(insert(avro_job, 1))
    if how == "nobody listens":
        registry.stop()
    else:
        registry.answer = how
    avro_job.start(ready=False)
    avro_job.wait_for(lambda: "schema registry" in avro_job.http("/readyz")[1], "the problem")
    assert avro_job.http("/readyz")[0] == 503
    problem = avro_job.http_json("/status")["problem"]
    assert registry.url + "/schemas/ids/" in problem and (str(how) in problem or "connect" in problem), problem
    worker = avro_job.workers()
    if how == "nobody listens":
        registry.start()
    registry.answer = None
    avro_job.wait_for(lambda: rows(mariadb, database) == [{"id": 1, "v": "x"}], "the row")
    avro_job.wait_for(avro_job.ready, "/readyz")
    assert avro_job.workers() == worker
    kafka.produce(insert(avro_job, 2))
    avro_job.wait_for(lambda: len(rows(mariadb, database)) == 2, "another row")
    assert letters(mariadb, database) == []
    assert avro_job.stop().code == 0
    assert len(re.findall("the schema registry does not help", avro_job.log())) == 1


def test_a_registry_that_hangs_does_not_hold_the_worker_up(avro_job, kafka, mariadb, database, registry):
    hanging = threading.Event()
    registry.answer = lambda path: hanging.wait(60) and None
    kafka.produce(insert(avro_job, 1))
    avro_job.start()
    avro_job.wait_for(lambda: registry.requests, "the request")
    assert avro_job.http_json("/status")["totals"]["dead"] == 0
    assert avro_job.stop().code == 0  # what waits is read again by the next run
    hanging.set()
    avro_job.run("--until", "latest").ok().counts(written=1)
    assert rows(mariadb, database) == [{"id": 1, "v": "x"}]


def test_a_bounded_run_waits_for_the_registry(avro_job, kafka, mariadb, database, registry):
    kafka.produce(insert(avro_job, 1))
    left = iter([503] * 3)
    registry.answer = lambda path: next(left, None)
    avro_job.run("--until", "latest").ok().counts(written=1)
    assert rows(mariadb, database) == [{"id": 1, "v": "x"}]


def test_what_has_no_schema_is_a_dead_letter_and_the_rest_goes_on(avro_job, kafka, mariadb, database, registry):
    protobuf = registry.register("syntax = \"proto3\";", kind="PROTOBUF")
    broken = registry.register('{"type":"record","name":"r"}')
    whole = insert(avro_job, 2)[0]
    bad = [framed(99, b"\0"), framed(protobuf, b"\0"), framed(broken, b"\0"), whole.value[:-3], whole.value + b"\0", b'{"id":1}', b"\0\0"]
    kafka.produce([*insert(avro_job, 1), *(Record(avro_job.topic, None, value) for value in bad), whole])
    avro_job.run("--until", "latest").ok().counts(written=2, dead_letters=len(bad))
    assert rows(mariadb, database) == [{"id": 1, "v": "x"}, {"id": 2, "v": "x"}]
    found = letters(mariadb, database)
    assert [letter["value"] for letter in found] == bad
    for letter, word in zip(found, ["has no /schemas/ids/99", "PROTOBUF", "record r has no fields", "schema ", "1 bytes follow", "0x7b", "does not begin"]):
        assert letter["stage"] == "decode" and word in letter["error"], letter["error"]


def test_a_schema_that_is_registered_later_is_found(avro_job, kafka, mariadb, database, registry):
    kafka.produce([Record(avro_job.topic, None, framed(3, b"\0")), *insert(avro_job, 1)])
    avro_job.start()
    avro_job.wait_for(lambda: len(letters(mariadb, database)) == 1, "the dead letter")
    registry.register({"type": "record", "name": "Value", "fields": [{"name": "id", "type": "int"}, {"name": "__table", "type": "string"}]})

    def arrives():  # it is looked for again after ten seconds, with the next message that has it
        kafka.produce([Record(avro_job.topic, None, framed(3, b"\x06\x02t"))])
        return any(row["id"] == 3 for row in rows(mariadb, database))
    avro_job.wait_for(arrives, "the row")
    assert avro_job.stop().code == 0


def test_user_and_password(avro_job, kafka, mariadb, database):
    registry = Registry(user="me", password="s3cret'")
    try:
        avro_job.avro = Avro(registry)
        kafka.produce(insert(avro_job, 1))
        avro_job.job(kafka_source(kafka, avro_job.topic, Lua(f"{{ 'avro', registry = '{registry.url}/', user = 'me', password = sl.env 'SECRET' }}")),
                     tidb_sink(mariadb, database))
        ended = avro_job.command("run", "job.lua", "--http", "off", "--until", "latest", SECRET="s3cret'").ok()
        assert rows(mariadb, database) == [{"id": 1, "v": "x"}]
        assert "s3cret" not in ended.err
    finally:
        registry.stop()


@pytest.mark.parametrize("format, said", [
    ("'avro'", "registry is missing"),
    ("{ 'avro', registry = 'registry:8081' }", "'registry:8081' is no URL"),
    ("{ 'avro', registry = 'http://me:secret@registry' }", "user and password are options"),
    ("{ 'avro', registry = 'http://registry', user = 'me' }", "user and password come together"),
    ("{ 'avro', registry = 'https://registry', ca = 'no.pem' }", "no.pem: No such file"),
    ("{ 'debezium', registry = 'http://registry' }", "'registry' is for the format avro"),
], ids=lambda value: re.sub(r"\W+", "-", value)[-40:])
def test_what_is_wrong_with_the_format_is_said(avro_job, kafka, mariadb, database, format, said):
    avro_job.job(kafka_source(kafka, avro_job.topic, Lua(format)), tidb_sink(mariadb, database))
    ended = avro_job.run("--until", "latest")
    assert ended.code == 2 and said in ended.err, ended.err
