"""`owns`: topics whose scripts own columns of one table make its full outer join, in whatever order their changes come, and whoever is killed."""

import pytest

from support import oracle
from support.debezium import Table
from support.files import into_either
from support.job import file_source, kafka_source, tidb_sink
from support.workload import Workload

CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
PARTITIONS = 2

SCHEMA = """
CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), city VARCHAR(20) DEFAULT 'nowhere', score INT, orders INT,
  made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE `unique` (id INT PRIMARY KEY, name VARCHAR(20), score INT, code INT UNIQUE)"""

SCRIPTS = {
    "users": 'return { target = "people", owns = { "name", "city" }, columns = { "id", "name", "city" } }',
    "scores": """
local M = { target = "people", owns = { "score" }, columns = { "id", score = "points" } }
function M.where(row) return row.points ~= 13 end
return M""",
    "carts": """
local M = { target = "people", owns = { "orders" } }
function M.map(row) return { id = row.id, orders = row.n } end
return M""",
    "names": 'return { target = "unique", owns = { "name" }, columns = { "id", "name" } }',
    "codes": 'return { target = "unique", owns = { "score", "code" }, columns = { "id", "score", "code" } }',
}
ROWS = {
    "users": lambda number, dice: {"id": number, "name": f"n{dice.randrange(5)}", "city": dice.choice([None, "Bonn", "Köln"])},
    "scores": lambda number, dice: {"id": number, "points": dice.choice([7, 13, 0])},
    "carts": lambda number, dice: {"id": number, "n": dice.randrange(4)},
    "names": lambda number, dice: {"id": number, "name": f"n{dice.randrange(5)}"},
    "codes": lambda number, dice: {"id": number, "score": dice.randrange(9), "code": number},
}
NOTHING = {"users": {"name": None, "city": "nowhere"}, "scores": {"score": None}, "carts": {"orders": None},
           "names": {"name": None}, "codes": {"score": None, "code": None}}
AS = {"users": lambda row: {"name": row["name"], "city": row["city"]}, "scores": lambda row: {"score": row["points"]},
      "carts": lambda row: {"orders": row["n"]}, "names": lambda row: {"name": row["name"]},
      "codes": lambda row: {"score": row["score"], "code": row["code"]}}


def outer_join(loads, names):
    """The rows that a full outer join of the sources' own tables has."""
    sides = {name: {row["id"]: AS[name](row) for live in loads[name].live for row in live.values() if row.get("points") != 13} for name in names}
    joined = oracle.Table(["id"])
    for id in sorted(set().union(*sides.values())):
        row = {"id": id}
        for name in names:
            row.update(sides[name].get(id, NOTHING[name]))
        joined.insert(row)
    return joined


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_columns_of_several_topics_are_their_outer_join_whoever_is_killed(kafka, topic, job, request, into):
    loads = {name: Workload(Table(name, topic=topic(name, partitions=PARTITIONS)), row, PARTITIONS, seed=21 + i) for i, (name, row) in enumerate(ROWS.items())}
    for load in loads.values():
        load.weights = {"insert": 5, "update": 3, "delete": 3, "change_key": 1}
    source = kafka_source(kafka, [load.table.topic for load in loads.values()], config=CONFIG)
    found = into_either(job, request, into, source, SCHEMA, {"max_rows_per_second": 2000}, **SCRIPTS)

    def produce(count):
        for load in loads.values():
            kafka.produce(load.changes(count))

    def written():
        return found("SELECT COALESCE(SUM(CASE WHEN next_offset < 0 THEN 0 ELSE next_offset END), 0) AS n FROM streamlua_progress WHERE lane = 0")[0]["n"]

    produce(250)
    job.start("--workers", 2)
    job.wait_for(lambda: written() > 200, "some of them")
    job.kill_worker()
    produce(250)
    job.write(**{**SCRIPTS, "carts": SCRIPTS["carts"] + " -- anew"}).reload()
    job.wait_for(lambda: written() > 1000, "more of them")
    job.kill()
    produce(100)
    job.run("--until", "latest").ok()

    assert found("SELECT error FROM streamlua_dead_letters LIMIT 3") == []
    for table, names in {"people": ["users", "scores", "carts"], "unique": ["names", "codes"]}.items():
        expected = outer_join(loads, names)
        assert len(expected.rows) > 30
        assert oracle.diff(expected, found(f"SELECT * FROM `{table}`")) == ""


def test_two_scripts_that_own_one_column_are_found_by_check(mariadb, database, job):
    mariadb.execute("CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), score INT, n INT NOT NULL)", database=database)
    job.write(a='return { target = "people", owns = { "name", "score" }, columns = { "id", "name", "score" } }',
              b='return {\n  target = "people",\n  owns = { "score" },\n  columns = { "id", "score" },\n}')
    job.job(file_source("in.jsonl"), tidb_sink(mariadb, database))
    checked = job.command("check", "job.lua")
    assert checked.code == 2 and "scripts/b.lua:3: owns: column score of people is in owns of scripts/a.lua too: a column is one script's" in checked.err
    job.write(a='return { target = "people", owns = { "name" }, columns = { "id", "name" } }')
    assert "scripts/a.lua: owns: rows of people stay when all that is in them is gone: column n is no script's, and never NULL" in job.command("check", "job.lua").ok().out
