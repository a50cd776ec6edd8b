"""streamlua itself, and the program without Lua that it is measured against. A peer is a file of its own."""

from support.job import Lua, kafka_source, lua, tidb_sink


class Reference:
    name = "reference"

    def __init__(self, options):
        self._program = options.programs / "reference"

    def run(self, world, job, database, number):
        command = [self._program, "--brokers", world.kafka.address, "--topic", job.topic]
        if not job.table:
            return world.measure([*command, "--blackhole"], self.name)
        server = world.mariadb
        return world.measure([*command, "--host", server.host, "--port", server.port, "--user", server.user, "--password", server.password,
                              "--database", database], self.name)


class Streamlua:
    def __init__(self, options, name="streamlua"):
        self.name = name
        self._program = options.streamlua

    def run(self, world, job, database, number):
        self.write(world, job, database, number)
        return world.measure([self._program, "run", "job.lua", "--until", "latest", "--http", "off"], self.name)

    def write(self, world, job, database, number):
        """The job's files."""
        sink = tidb_sink(world.mariadb, database) if job.table else Lua("sl.sink.blackhole {}")
        # A blackhole's progress is its consumer group's: each run needs another.
        fields = {"name": f"bench-{job.name}-{number}", "source": kafka_source(world.kafka, job.topic, job.format),
                  "tables": {job.serves: "script.lua"}, "sink": sink}
        lines = "".join(f"  {name} = {lua(value)},\n" for name, value in fields.items())
        (world.folder / "script.lua").write_text(job.lua(self.name))
        (world.folder / "job.lua").write_text(f'local sl = require "streamlua"\n\nreturn sl.job {{\n{lines}}}\n')
