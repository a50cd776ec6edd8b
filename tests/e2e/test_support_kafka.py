"""The harness itself, without streamlua: the broker does what tests rely on."""

from support import wait_for
from support.debezium import Table
from support.servers import Record


def test_what_is_produced_is_consumed_in_order(kafka, topic):
    name = topic("rows", partitions=3)
    written = kafka.produce([Record(name, f"k{i % 7}", f"value {i}", headers=[("n", str(i).encode())], timestamp=1000 + i)
                             for i in range(200)])
    read = kafka.consume(name)
    assert read == sorted(written, key=lambda r: (r.partition, r.offset))
    assert len({r.partition for r in read}) > 1
    for key in {r.key for r in read}:
        values = [int(r.value.split()[1]) for r in read if r.key == key]
        assert values == sorted(values) and len({r.partition for r in read if r.key == key}) == 1
    assert sum(high for low, high in kafka.offsets(name).values()) == 200


def test_partition_tombstone_and_tuple_form(kafka, topic):
    name = topic(partitions=2)
    kafka.produce([(name, 1, b"a", None), (name, 0, None, b"", [("h", None)]), (name, 1, b"a", b"x", None, 5)])
    assert [(r.partition, r.offset, r.key, r.value) for r in kafka.consume(name)] == [
        (0, 0, None, b""), (1, 0, b"a", None), (1, 1, b"a", b"x")]


def test_deleted_records_are_gone(kafka, topic):
    name = topic(partitions=2)
    kafka.produce([(name, 1, None, str(i)) for i in range(10)])
    assert kafka.delete_records(name, 1, before=7) == 7
    assert kafka.offsets(name) == {0: (0, 0), 1: (7, 10)}
    assert [r.value for r in kafka.consume(name)] == [b"7", b"8", b"9"]


def test_an_aborted_transaction_is_not_read(kafka, topic):
    name = topic()
    producer = kafka.producer(transactional_id=name)
    producer.init_transactions(30)
    for value, end in ((b"aborted", producer.abort_transaction), (b"kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(name, value)
        producer.flush(30)
        end(30)
    assert [r.value for r in kafka.consume(name)] == [b"kept"]
    assert [r.value for r in kafka.consume(name, isolation="read_uncommitted")] == [b"aborted", b"kept"]


def test_a_killed_broker_comes_back_with_its_records(kafka, topic):
    name = topic()
    kafka.produce([(name, 0, None, "before")])
    address = kafka.address
    kafka.kill()
    assert not kafka.running
    kafka.start()
    wait_for(lambda: kafka.partitions(name) == 1, "a leader")
    kafka.produce([(name, 0, None, "after")])
    assert [r.value for r in kafka.consume(name)] == [b"before", b"after"]
    assert kafka.address == address


def test_debezium_key_change_is_a_delete_a_tombstone_and_an_insert(kafka, topic):
    orders = Table("orders", topic=topic(), schemas=True)
    kafka.produce(orders.change_key({"id": 1, "sku": "a"}, {"id": 2, "sku": "a"}))
    deleted, tombstone, inserted = kafka.consume(orders.topic)
    assert b'"op":"d"' in deleted.value and b'"op":"c"' in inserted.value and tombstone.value is None
    assert deleted.key == tombstone.key != inserted.key
    assert dict(deleted.headers)["__debezium.newkey"] == inserted.key
