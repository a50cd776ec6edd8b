"""Flink SQL in one JVM of its own (MiniCluster), with the settings that README.md explains."""

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent / "flink"

SETTINGS = {
    "parallelism.default": 2,
    "table.local-time-zone": "UTC",
    "pipeline.object-reuse": "true",
    "state.backend.type": "rocksdb",
    "state.backend.incremental": "true",
    "execution.checkpointing.interval": "1s",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.numberOfTaskSlots": 2,
    "restart-strategy.type": "none",
    # As Nexmark's own configuration has it: groups add up before they shuffle and write.
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1s",
    "table.exec.mini-batch.size": 50000,
}

# Flink's own, of its config.yaml for Java 17.
JVM = ["-Xmx768m", "-Duser.timezone=UTC", *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.net", "java.io", "java.nio", "java.text", "java.time", "java.util", "java.util.concurrent",
    "java.util.concurrent.atomic", "java.util.concurrent.locks", "sun.nio.ch", "java.lang.reflect"))]


class Flink:
    name = "flink"

    def __init__(self, options):
        self._jars = Path(options.flink).resolve()
        if not any(self._jars.glob("flink-runtime-*.jar")):
            raise SystemExit(f"no Flink in {self._jars}: run 'make bench-deps'")

    def run(self, world, job, database, number):
        classes = world.folder / "classes"
        if not classes.exists():
            subprocess.run(["javac", "-cp", f"{self._jars}/*", "-d", classes, HERE / "RunSql.java"], check=True)
        sql = world.folder / f"{job.name}.sql"
        sql.write_text(job.sql(kafka=_options(self._kafka(world, job)), sink=_options(self._sink(world, job, database))))
        settings = {**SETTINGS, "execution.checkpointing.dir": (world.folder / "checkpoints").as_uri(), "io.tmp.dirs": world.folder}
        measured = world.measure(["java", *JVM, f"-Dlog4j.configuration=file:{HERE}/log4j.properties", "-cp", f"{classes}:{self._jars}/*", "RunSql", sql,
                                  *(f"{name}={value}" for name, value in settings.items())], self.name)
        measured.start_seconds = int(measured.out.strip() or 0) / 1000
        return measured

    @staticmethod
    def _kafka(world, job):
        options = {"connector": "kafka", "topic": job.topic, "properties.bootstrap.servers": world.kafka.address,
                   "scan.startup.mode": "earliest-offset", "scan.bounded.mode": "latest-offset"}
        if job.format == "debezium" and world.options.schemas:
            options["debezium-json.schema-include"] = "true"
        return options

    @staticmethod
    def _sink(world, job, database):
        if not job.table:
            return {"connector": "blackhole"}
        server = world.mariadb
        url = f"jdbc:mysql://{server.address}/{database}?rewriteBatchedStatements=true&sessionVariables=time_zone='+00:00'"
        return {"connector": "jdbc", "driver": "org.mariadb.jdbc.Driver", "url": url, "table-name": job.table, "username": server.user, "password": server.password,
                "sink.buffer-flush.max-rows": 1000, "sink.buffer-flush.interval": "1s"}


def _options(options):
    return ",\n  ".join(f"'{name}' = '" + str(value).replace("'", "''") + "'" for name, value in options.items())
