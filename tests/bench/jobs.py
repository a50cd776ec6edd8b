"""What is measured: each job's messages, target, scripts, and what the target must hold in the end. Their files are in jobs/."""

from dataclasses import dataclass, field
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "jobs"
EXAMPLES = HERE.parents[1] / "examples"


@dataclass(frozen=True)
class Job:
    name: str
    folder: str
    sample: str  # generate's
    topic: str
    format: str  # the source's, as job.lua says it
    messages: int
    programs: tuple
    table: str = None  # None: into the blackhole
    found: str = None  # SQL whose columns are named as what generate says
    script: Path = None
    settings: dict = field(default_factory=dict)  # ${names} in the script, by program

    def schema(self):
        return (FOLDER / self.folder / "schema.sql").read_text()

    def lua(self, program):
        """The script's name and text."""
        path = self.script or FOLDER / self.folder / f"{self.topic.rpartition('.')[2]}.lua"
        return path.stem, Template(path.read_text()).substitute(self.settings.get(program, {}))

    def sql(self, **words):
        """Flink's."""
        return Template((FOLDER / self.folder / "flink.sql").read_text()).substitute(words)


ORDERS = {"folder": "orders", "sample": "changes", "topic": "dbserver1.shop.orders", "format": "debezium", "messages": 1_000_000}

JOBS = {job.name: job for job in [
    Job(name="mariadb", **ORDERS, programs=("reference", "streamlua", "flink", "debezium"), table="orders",
        found="SELECT COUNT(*) AS `rows`, SUM(quantity) AS quantity, CAST(SUM(price) * 100 AS INT) AS cents FROM orders"),
    Job(name="blackhole", **ORDERS, programs=("reference", "streamlua", "flink")),
    Job(name="minutes", folder="minutes", sample="views", topic="views", format="json", messages=2_000_000,
        programs=("streamlua", "streamlua-changes", "flink"), table="views_per_minute",
        settings={"streamlua": {"emit": "final"}, "streamlua-changes": {"emit": "changes"}},
        found="SELECT COUNT(*) AS `rows`, SUM(views) AS views, CAST(SUM(seconds) * 100 AS INT) AS cents FROM views_per_minute"),
    Job(name="fraud", folder="fraud", sample="payments", topic="payments", format="json", messages=2_000_000,
        programs=("streamlua", "flink"), table="alerts", script=EXAMPLES / "fraud/scripts/payments.lua",
        found="SELECT COUNT(*) AS `rows`, CAST(SUM(amount) * 100 AS INT) AS cents FROM alerts"),
]}
