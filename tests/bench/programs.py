"""streamlua itself, and the program without Lua that it is measured against. A peer is a file of its own."""

from support.job import Lua, kafka_source, lua, tidb_sink


def write_job(folder, serves, script, **fields):
    """A job with one script, which has the events of the table `serves`."""
    file = f"{serves}.lua"
    fields["tables"] = {serves: file}
    lines = "".join(f"  {name} = {lua(value)},\n" for name, value in fields.items())
    (folder / file).write_text(script)
    (folder / "job.lua").write_text(f'local sl = require "streamlua"\n\nreturn sl.job {{\n{lines}}}\n')


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
        sink = tidb_sink(world.mariadb, database) if job.table else Lua("sl.sink.blackhole {}")
        # A blackhole's progress is its consumer group's: each run needs another.
        write_job(world.folder, job.serves, job.lua(self.name).replace("@run@", str(number)), name=f"bench-{job.name}-{number}",
                  source=kafka_source(world.kafka, job.topic, job.format), sink=sink, memory=job.memory)
        return world.measure([self._program, "run", "job.lua", "--until", "latest", "--http", "off", "--workers", job.workers], self.name)
