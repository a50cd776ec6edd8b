"""Real servers as objects: started and stopped by the scripts beside this file, killed and frozen by pid."""

import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
import pymysql

from . import wait_for

HERE = Path(__file__).resolve().parent


class Server:
    """A server that lives in a folder of its own. It ends with this process, whatever ends that."""

    script = None

    def __init__(self, **environment):
        self.folder = Path(tempfile.mkdtemp(prefix=f"streamlua-{self.script}-"))
        self._environment = {**os.environ, **environment, "OWNER_PID": str(os.getpid())}

    def start(self):
        """Starts it, or starts it again on the same port with what it held."""
        self._run("start")
        return self

    def stop(self):
        self._run("stop")

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        """kill -9: what a crash of the machine's process looks like."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not _command_line(pid), f"end of {self.script}")

    def freeze(self):
        """The server keeps its connections and answers nothing until thaw()."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def ensure(self):
        """Makes it run again after a test that killed, stopped or froze it."""
        if self.running:
            self.thaw()
        else:
            self.start()

    def close(self):
        """Ends it and removes all it held."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self):
        pid = self._read("pid")
        return bool(pid) and str(self.folder).encode() in _command_line(int(pid))

    @property
    def pid(self):
        return int(self._read("pid"))

    @property
    def address(self):
        return self._read("address")

    @property
    def host(self):
        return self.address.rpartition(":")[0]

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def log(self):
        return self._read("log")

    def _read(self, name):
        try:
            return (self.folder / name).read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def _run(self, verb):
        done = subprocess.run([HERE / f"{self.script}.sh", verb, self.folder], env=self._environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{self.script}.sh {verb} failed:\n{done.stderr}")


def _command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@dataclass
class Record:
    """A Kafka record. Without a partition the key picks it, as the usual partitioners do; value None is a tombstone."""

    topic: str
    key: bytes | None = None
    value: bytes | None = None
    partition: int | None = None
    headers: list = field(default_factory=list)
    timestamp: int | None = None
    offset: int | None = None

    def __post_init__(self):
        self.key = self.key.encode() if isinstance(self.key, str) else self.key
        self.value = self.value.encode() if isinstance(self.value, str) else self.value


class Kafka(Server):
    """A broker. `internal` is the address of its plain listener, where `address` speaks SASL or TLS."""

    script = "kafka"

    @property
    def internal(self):
        return self._read("internal")

    @functools.cached_property
    def admin(self):
        # One for all: its requests fail once the client is gone, and brokers that come and go are none of the tests' output.
        return confluent_kafka.admin.AdminClient({"bootstrap.servers": self.internal, "log_level": 2})

    def create_topic(self, topic, partitions=1, **config):
        new = confluent_kafka.admin.NewTopic(topic, num_partitions=partitions, replication_factor=1,
                                             config={name.replace("_", "."): str(value) for name, value in config.items()})
        self._settle(self.admin.create_topics([new]))
        wait_for(lambda: self.partitions(topic) == partitions, f"topic {topic}")
        return topic

    def add_partitions(self, topic, total):
        self._settle(self.admin.create_partitions([confluent_kafka.admin.NewPartitions(topic, total)]))
        wait_for(lambda: self.partitions(topic) == total, f"{total} partitions of {topic}")

    def delete_topic(self, topic):
        self._settle(self.admin.delete_topics([topic]))
        wait_for(lambda: not self.partitions(topic), f"end of topic {topic}")

    def partitions(self, topic):
        """How many there are, and have a leader."""
        known = self.admin.list_topics(timeout=10).topics.get(topic)
        return sum(p.leader >= 0 for p in known.partitions.values()) if known and not known.error else 0

    def producer(self, **config):
        return confluent_kafka.Producer({"bootstrap.servers": self.internal, "enable.idempotence": True, "linger.ms": 5,
                                         "message.max.bytes": 33554432, "log_level": 2,
                                         **{name.replace("_", "."): value for name, value in config.items()}})

    def produce(self, records):
        """Writes the records in order and returns once the broker has them all; fills in partition and offset.
        Takes Records, or tuples (topic, partition, key, value[, headers[, timestamp]])."""
        records = [r if isinstance(r, Record) else _record(*r) for r in records]
        failures = []
        producer = self.producer()

        def delivered(record):
            def on_delivery(error, message):
                if error:
                    failures.append(error)
                else:
                    record.partition, record.offset = message.partition(), message.offset()
            return on_delivery

        for record in records:
            more = {}
            if record.partition is not None:
                more["partition"] = record.partition
            if record.timestamp is not None:
                more["timestamp"] = record.timestamp
            while True:
                try:
                    producer.produce(record.topic, value=record.value, key=record.key, headers=record.headers,
                                     on_delivery=delivered(record), **more)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(60)
        if failures or left:
            raise RuntimeError(f"{len(failures)} records refused, {left} not delivered: {failures[:3]}")
        return records

    def consume(self, topic, isolation="read_committed"):
        """All records that the topic holds now, partition by partition."""
        consumer = self._consumer(**{"isolation.level": isolation, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
        try:
            partitions = [confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING)
                          for p in range(self.partitions(topic))]
            consumer.assign(partitions)
            records, ended = [], set()
            while len(ended) < len(partitions):
                message = consumer.poll(30)
                if message is None:
                    raise RuntimeError(f"{topic}: nothing more came, {len(ended)} of {len(partitions)} partitions are read")
                if message.error():
                    if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                        raise RuntimeError(str(message.error()))
                    ended.add(message.partition())
                else:
                    records.append(Record(topic, message.key(), message.value(), message.partition(), message.headers() or [],
                                          message.timestamp()[1], message.offset()))
            return sorted(records, key=lambda r: (r.partition, r.offset))
        finally:
            consumer.close()

    def offsets(self, topic):
        """(first offset, next offset) of each partition."""
        consumer = self._consumer()

        def ask():
            try:
                return {p: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=30, cached=False)
                        for p in range(self.partitions(topic))}
            except confluent_kafka.KafkaException:  # a broker that has just come back leads nothing yet
                return None
        try:
            return wait_for(ask, f"the offsets of {topic}")
        finally:
            consumer.close()

    def committed(self, group, topic):
        """What the group has committed for each partition; None where it has nothing."""
        consumer = self._consumer(**{"group.id": group})
        try:
            asked = [confluent_kafka.TopicPartition(topic, p) for p in range(self.partitions(topic))]
            return {p.partition: p.offset if p.offset >= 0 else None for p in wait_for(lambda: self._ask_group(consumer, asked), "the group's coordinator")}
        finally:
            consumer.close()

    @staticmethod
    def _ask_group(consumer, asked):
        try:
            return consumer.committed(asked, timeout=30)
        except confluent_kafka.KafkaException as error:
            if error.args[0].name() in ("NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"):
                return None  # a broker that has just begun
            raise

    def delete_records(self, topic, partition, before):
        """Makes the broker forget the records below an offset, as retention does. Returns the first offset left.
        Neither kcat nor the Python client can: the request (DeleteRecords, version 0) goes over a socket."""
        name = topic.encode()
        body = struct.pack(f">hhih{4}sih{len(name)}siiqi", 21, 0, 1, 4, b"test", 1, len(name), name, 1, partition, before, 30000)
        host, port = self.internal.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection, connection.makefile("rb") as answers:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = answers.read(struct.unpack(">i", answers.read(4))[0])
        _, low, error = struct.unpack(">iqh", answer[-14:])
        if error:
            raise RuntimeError(f"delete_records {topic}:{partition} before {before}: Kafka's error {error}")
        return low

    def _consumer(self, **config):
        return confluent_kafka.Consumer({"bootstrap.servers": self.internal, "group.id": "test-support", "enable.auto.commit": False,
                                         "fetch.wait.max.ms": 20, "fetch.message.max.bytes": 33554432, "log_level": 2, **config})

    @staticmethod
    def _settle(futures):
        for future in futures.values():
            future.result(60)


def _record(topic, partition, key, value, headers=None, timestamp=None):
    return Record(topic, key, value, partition, headers or [], timestamp)


class MariaDB(Server):
    script = "mariadb"
    user = password = "streamlua"

    def connect(self, database=None, port=None, user="root", password="", **options):
        """A pymysql connection; another port leads through a proxy."""
        return pymysql.connect(**{"host": self.host, "port": port or self.port, "user": user, "password": password,
                                  "database": database, "charset": "utf8mb4", "autocommit": True, "connect_timeout": 10,
                                  "read_timeout": 60, **options})

    def execute(self, sql, *args, database=None):
        """Runs one or several statements; returns the rows of the last one as dicts."""
        with self.connect(database, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as connection:
            with connection.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute(sql, args or None)
                rows = list(cursor.fetchall())
                while cursor.nextset():
                    rows = list(cursor.fetchall())
                return rows

    query = execute

    def value(self, sql, *args, database=None):
        """The first column of the first row, or None."""
        rows = self.execute(sql, *args, database=database)
        return next(iter(rows[0].values())) if rows else None

    def table(self, table, database, columns=None):
        """A whole table as a list of dicts whose values are the server's text (bytes for binary columns): nothing is rounded."""
        names = ", ".join(f"`{c}`" for c in columns) if columns else "*"
        with self.connect(database, conv={}) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(f"SELECT {names} FROM `{table}`")
            return list(cursor.fetchall())

    def create_database(self, name):
        self.execute(f"CREATE DATABASE `{name}`")
        return name

    def drop_database(self, name):
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
