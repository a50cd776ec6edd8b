"""Changes of one row stay in their order, through lanes, batches, changes of the key and unique values that pass from row to row."""

import random

import pytest

from support import oracle
from support.debezium import Table
from support.job import kafka_source, tidb_sink
from support.workload import Workload


def run(job, kafka, mariadb, database, table, script="return {}", **sink):
    job.write(**{table.table: script}).job(kafka_source(kafka, table.topic), tidb_sink(mariadb, database, **sink))
    return job.run("--until", "latest").ok()


def expect(mariadb, database, table, key=("id",), **names):
    expected = oracle.Oracle(**{table.table: oracle.Table(list(key))})
    expected.apply(table.changes)
    assert mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database) == []
    expected.expect_in_mariadb(mariadb, database, **names)


def test_no_change_of_a_row_overtakes_another(kafka, mariadb, topic, database, proxy, job):
    mariadb.execute("""CREATE TABLE orders (id INT PRIMARY KEY, step INT);
        CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, id INT, step INT, op VARCHAR(10))""", database=database)
    orders = Table("orders", topic=topic("orders", partitions=3))
    dice, live, messages = random.Random(5), {}, []
    for step in range(6000):
        row = {"id": dice.randrange(150), "step": step}
        where = {"partition": row["id"] % 3}
        old = live.get(row["id"])
        if old is None:
            messages.append(orders.insert(row, **where))
        elif step % 7:
            messages.append(orders.update(old, row, **where))
        else:
            messages += orders.delete_with_tombstone(old, **where)
            row = None
        live[(row or old)["id"]] = row
    kafka.produce(messages)
    # Lanes that are not equally fast.
    proxy.delay(0.05, "COMMIT", nth=5, times=20)
    run(job, kafka, mariadb, database, orders, '''
return { map = function(row, ctx)
  if ctx.op ~= "delete" then
    ctx:emit("log", { id = row.id, step = row.step, op = ctx.op })
  end
  return row
end }''', port=proxy.port)
    expect(mariadb, database, orders)
    log = [(row["id"], row["step"]) for row in mariadb.execute("SELECT id, step FROM log ORDER BY id, n", database=database)]
    assert log == sorted(log)
    assert len(log) == sum(new is not None for _, _, _, new in orders.changes)


@pytest.mark.parametrize("key_by", ['"row"', '"table"', '{ "owner" }', "function(row) return row.id % 3 end"], ids=["row", "table", "column", "function"])
def test_keys_that_change_take_their_row_with_them(kafka, mariadb, topic, database, job, key_by):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, owner INT, note VARCHAR(20))", database=database)
    # The owner stays where the id goes: what key_by names must tell the changes of a row.
    work = Workload(Table("orders", topic=topic("orders", partitions=2)), lambda number, dice: {"id": number, "owner": 1, "note": str(dice.randrange(10**9))}, 2, seed=9,
                    weights={"insert": 2, "update": 3, "delete": 1, "change_key": 4, "replace": 4})
    kafka.produce(work.changes(4000))
    run(job, kafka, mariadb, database, work.table, f"return {{ key_by = {key_by} }}")
    expect(mariadb, database, work.table)


def test_keys_that_differ_in_case_alone_are_one_row(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE users (name VARCHAR(20) PRIMARY KEY, visits INT) COLLATE utf8mb4_general_ci", database=database)
    users = Table("users", key=("name",), topic=topic("users"))
    messages, dice = [], random.Random(2)
    for i in range(60):
        rows = [{"name": name, "visits": dice.randrange(1000)} for name in (f"Ann{i}", f"ANN{i}", f"änn{i}", f"ann{i} ")]
        messages += [users.insert(rows[0]), users.update(rows[0], rows[1]), users.update(rows[1], rows[2])]
        messages += [users.delete(rows[2]), users.insert(rows[3])] if i % 2 else users.change_key(rows[2], rows[3])
        if i % 3 == 0:
            messages.append(users.delete({**rows[3], "name": f"ANN{i}"}))
            users.changes[-1] = ("users", "delete", rows[3], None)
    for message in messages:
        message.partition = 0
    kafka.produce(messages)
    run(job, kafka, mariadb, database, users)
    expect(mariadb, database, users, ["name"])


class Seats:
    """A table whose rows hand unique seats to one another: every state between two changes is legal."""

    def __init__(self, table, rows, partitions, seed):
        self.table, self.partitions, self.dice = table, partitions, random.Random(seed)
        self.seat = {}
        self.free = [f"seat{i}" for i in range(rows + 5)]
        self.rows = rows

    def _where(self, number):
        return {"partition": number % self.partitions}

    def _put(self, number, seat):
        old, new = {"id": number, "seat": self.seat.get(number)}, {"id": number, "seat": seat}
        known = number in self.seat
        self.seat[number] = seat
        return self.table.update(old, new, **self._where(number)) if known else self.table.insert(new, **self._where(number))

    def changes(self, count):
        messages = []
        while len(messages) < count:
            number, other = self.dice.sample(range(self.rows), 2)
            kind = self.dice.randrange(4)
            if kind == 0 and number in self.seat:  # leaves, and its seat is free
                seat = self.seat.pop(number)
                messages.append(self.table.delete({"id": number, "seat": seat}, **self._where(number)))
                self._release(seat)
            elif kind == 1 and self.seat.get(number) and self.seat.get(other):  # two swap
                mine, its = self.seat[number], self.seat[other]
                messages += [self._put(number, None), self._put(other, mine), self._put(number, its)]
            elif kind == 2 and self.seat.get(number):  # hands it to another
                seat, before = self.seat[number], self.seat.get(other)
                messages += [self._put(number, None), self._put(other, seat)]
                self._release(before)
            elif self.free:
                before = self.seat.get(number)
                messages.append(self._put(number, self.free.pop(self.dice.randrange(len(self.free)))))
                self._release(before)
        return messages

    def _release(self, seat):
        if seat:
            self.free.append(seat)


@pytest.mark.parametrize("partitions", [1, 3])
def test_unique_values_pass_from_row_to_row(kafka, mariadb, topic, database, job, partitions):
    mariadb.execute("CREATE TABLE seats (id INT PRIMARY KEY, seat VARCHAR(10), UNIQUE (seat))", database=database)
    seats = Seats(Table("seats", topic=topic("seats", partitions=partitions)), 40, partitions, seed=partitions)
    # Over several partitions fewer: each value that is not free yet is waited for.
    kafka.produce(seats.changes(4000 if partitions == 1 else 60))
    run(job, kafka, mariadb, database, seats.table)
    expect(mariadb, database, seats.table)


def test_a_unique_value_that_is_never_given_up_is_a_dead_letter_after_park_for(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE seats (id INT PRIMARY KEY, seat VARCHAR(10) UNIQUE)", database=database)
    seats = Table("seats", topic=topic("seats", partitions=2))
    holder = seats.insert({"id": 1, "seat": "a"}, partition=0)
    kafka.produce([holder])
    run(job, kafka, mariadb, database, seats, 'return { park_for = "1s" }')
    taker = seats.insert({"id": 2, "seat": "a"}, partition=1)
    kafka.produce([taker, seats.insert({"id": 3, "seat": "c"}, partition=1), seats.insert({"id": 4, "seat": "d"}, partition=0)])
    job.run("--until", "latest").ok()
    assert mariadb.execute("SELECT * FROM seats ORDER BY id", database=database) == [{"id": 1, "seat": "a"}, {"id": 3, "seat": "c"}, {"id": 4, "seat": "d"}]
    letters = mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database)
    assert [(row["stage"], row["partition"], row["offset"], row["value"]) for row in letters] == [("sink", 1, 0, taker.value)]
    assert "1062" in letters[0]["error"]
