"""Debezium's JDBC sink in Kafka Connect, standalone in one JVM, with the settings that README.md explains."""

import time
from pathlib import Path

HERE = Path(__file__).resolve().parent / "debezium"
LOOK_SECONDS = 0.2  # between two looks at how far it is


class Debezium:
    name = "debezium"
    # It maps nothing and filters nothing: its target has the test orders too.
    whole = True

    def __init__(self, options):
        self._jars = Path(options.debezium).resolve()
        if not any(self._jars.glob("debezium-connector-jdbc-*.jar")):
            raise SystemExit(f"no Debezium in {self._jars}: run 'make bench-deps'")
        if not options.schemas:
            raise SystemExit("debezium: its sink reads messages with their schema alone: add --schemas")

    def run(self, world, job, database, number):
        name = f"debezium-{job.name}-{number}"
        worker = _write(world.folder / "worker.properties", self._worker(world))
        sink = _write(world.folder / "sink.properties", self._sink(world, job, database, name))
        progress = _Progress(world, f"connect-{name}", job, database)
        measured = world.measure(["java", "-Xmx1g", f"-Dlog4j.configuration=file:{HERE}/log4j.properties", "-cp", f"{self._jars}/*",
                                  "org.apache.kafka.connect.cli.ConnectStandalone", worker, sink], self.name, until=progress.is_over)
        measured.start_seconds = progress.start_seconds
        return measured

    @staticmethod
    def _worker(world):
        return {"bootstrap.servers": world.kafka.address, "listeners": "http://127.0.0.1:0", "offset.storage.file.filename": world.folder / "offsets",
                "offset.flush.interval.ms": 1000, "key.converter": "org.apache.kafka.connect.json.JsonConverter",
                "value.converter": "org.apache.kafka.connect.json.JsonConverter", "consumer.max.poll.records": 1000}

    @staticmethod
    def _sink(world, job, database, name):
        server = world.mariadb
        return {"name": name, "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": 2, "topics": job.topic,
                "connection.url": f"jdbc:mariadb://{server.address}/{database}?useBulkStmts=true", "connection.username": server.user,
                "connection.password": server.password, "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key",
                "collection.name.format": job.table, "batch.size": 1000, "use.reduction.buffer": "true", "use.time.zone": "UTC"}


class _Progress:
    """A sink never ends. It is over once its group has committed the ends of all partitions, which it does once a second."""

    def __init__(self, world, group, job, database):
        self._world, self._group, self._job, self._database = world, group, job, database
        self._began = self._looked = time.monotonic()
        self._ends = {partition: after for partition, (_, after) in world.kafka.offsets(job.topic).items()}
        self.start_seconds = 0  # until its first row was there

    def is_over(self):
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        if not self.start_seconds:
            if self._world.mariadb.execute(f"SELECT 1 FROM `{self._job.table}` LIMIT 1", database=self._database):
                self.start_seconds = now - self._began
            return False
        return self._world.kafka.committed(self._group, self._job.topic) == self._ends


def _write(path, properties):
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return path
