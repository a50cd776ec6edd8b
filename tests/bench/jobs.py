"""What is measured: each job's messages, target, scripts, and what the target must hold in the end. Their files are in jobs/."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from support.job import Lua

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "jobs"
EXAMPLES = HERE.parents[1] / "examples"


@dataclass(frozen=True)
class Job:
    name: str
    folder: str
    sample: str  # generate's
    topic: str
    serves: str  # the table whose events go through the script
    format: str  # the source's, as job.lua says it
    messages: int
    programs: tuple
    table: str = None  # None: into the blackhole
    found: str = None  # SQL whose columns are named as what generate says
    workers: int = 1  # of streamlua
    memory: str = "256MB"  # of streamlua, which it stays below; its default
    alike: bool = True  # all programs' targets are the same to the last byte
    script: Path = None
    scripts: dict = field(default_factory=dict)  # by program: another script
    edits: dict = field(default_factory=dict)  # by program: (regular expression, what stands there instead) for each change of the script

    def schema(self):
        return (FOLDER / self.folder / "schema.sql").read_text()

    def lua(self, program):
        """The script's text; without its examples, which say what it does before the edit."""
        text = self.scripts.get(program, self.script or FOLDER / self.folder / f"{self.serves}.lua").read_text()
        for pattern, instead in self.edits.get(program, ()):
            text, count = re.subn(pattern, instead, text)
            if count != 1:
                raise SystemExit(f"{self.name}: {pattern} is {count} times in the script")
        return text

    def sql(self, **words):
        """Flink's."""
        return Template((FOLDER / self.folder / "flink.sql").read_text()).substitute(words)


ORDERS = {"folder": "orders", "sample": "changes", "topic": "dbserver1.shop.orders", "serves": "orders", "format": "debezium", "messages": 1_000_000}


# Its example shows the row that is written at once.
FINAL = ((r'"changes"', '"final"'), (r"(?s)\n  examples = {.*\n  },", ""))

# A topic of its own for each run: what an earlier one left in it is no part of it.
THROUGH = ((r"M = \{ key_by", 'M = { repartition = "bench-by-account-@run@", key_by'),)

# Where scripts keep state, more memory is fewer writes of each row of it. Flink has twice as much.
KEEPS_STATE = {"memory": "512MB"}

EVENTS = Lua('{ "json", table = { field = "event" } }')


def nexmark(name, table, found, **more):
    """One of Nexmark's queries; its numbers are those of github.com/nexmark/nexmark."""
    return Job(name=name, folder=name, sample="nexmark", topic="nexmark", serves="bid", format=EVENTS,
               messages=1_000_000, table=table, found=found, **{"programs": ("streamlua", "flink"), **more})


JOBS = {job.name: job for job in [
    Job(name="mariadb", **ORDERS, programs=("reference", "streamlua", "flink", "debezium"), table="orders",
        found="SELECT COUNT(*) AS `rows`, SUM(quantity) AS quantity, CAST(SUM(price) * 100 AS INT) AS cents FROM orders"),
    Job(name="blackhole", **ORDERS, programs=("reference", "streamlua", "flink")),
    Job(name="minutes", folder="minutes", sample="views", topic="views", serves="views", format="json", messages=2_000_000, **KEEPS_STATE,
        programs=("streamlua", "streamlua-changes", "flink"), table="views_per_minute",
        script=EXAMPLES / "events-per-minute/scripts/views.lua", edits={"streamlua": FINAL},
        found="SELECT COUNT(*) AS `rows`, SUM(views) AS views, CAST(SUM(seconds) * 100 AS INT) AS cents FROM views_per_minute"),
    Job(name="fraud", folder="fraud", sample="payments", topic="payments", serves="payments", format="json", messages=2_000_000, **KEEPS_STATE,
        programs=("streamlua", "streamlua-repartition", "flink"), table="alerts", script=EXAMPLES / "fraud/scripts/payments.lua",
        edits={"streamlua-repartition": THROUGH},
        found="SELECT COUNT(*) AS `rows`, CAST(SUM(amount) * 100 AS INT) AS cents FROM alerts"),
    Job(name="counts", folder="counts", sample="views", topic="views", serves="views", format="json", messages=2_000_000,
        programs=("streamlua", "flink"), table="views_of_page",
        found="SELECT SUM(views) AS views, CAST(SUM(seconds) * 100 AS INT) AS cents FROM views_of_page"),
    # One row, or one for each partition: not the same rows.
    Job(name="hot", folder="hot", sample="views", topic="views", serves="views", format="json", messages=2_000_000, workers=8,
        programs=("streamlua", "streamlua-shard"), scripts={"streamlua-shard": FOLDER / "hot/shard.lua"}, table="totals", alike=False,
        found="SELECT SUM(views) AS views, CAST(SUM(seconds) * 100 AS INT) AS cents FROM totals"),
    nexmark("q0", "bids", "SELECT COUNT(*) AS bids, SUM(price) AS price FROM bids"),
    nexmark("q1", "bids", "SELECT COUNT(*) AS bids, CAST(SUM(price) * 1000 / 908 AS INT) AS price FROM bids"),
    nexmark("q2", "selected", "SELECT COUNT(*) AS selected, SUM(price) AS selected_price FROM selected"),
    # When an event is seen is no program's to choose: what is the same is what all windows together hold.
    nexmark("q12", "bids_of_bidder", "SELECT SUM(bids) AS bids, COUNT(DISTINCT bidder) AS bidders, SUM(bids * bidder) AS bidder_sum FROM bids_of_bidder",
            alike=False, **KEEPS_STATE),
    nexmark("q17", "auction_days",
            "SELECT COUNT(*) AS days, SUM(total_bids) AS bids, SUM(rank1_bids) AS rank1, SUM(rank2_bids) AS rank2, SUM(rank3_bids) AS rank3, "
            "SUM(min_price) AS least, SUM(max_price) AS most, SUM(ROUND(avg_price * total_bids)) AS price FROM auction_days WHERE sum_price = ROUND(avg_price * total_bids)", **KEEPS_STATE),
    nexmark("q18", "last_bids", "SELECT COUNT(*) AS pairs, SUM(price) AS last_price FROM last_bids",
            programs=("streamlua", "streamlua-last", "flink"), scripts={"streamlua-last": FOLDER / "q18/last.lua"}, **KEEPS_STATE),
]}
