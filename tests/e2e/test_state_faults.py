"""Everything that keeps state, in one job and on both databases: windows of each kind, sessions, timers, state that expires, maps and versions, with
late events, times far ahead and faults among them. Workers are killed and reloaded meanwhile, and others join. The models in support/stateful.py
walk the same events in Python."""

import os

import pytest

from support.files import into_either
from support.job import Lua, kafka_source
from support.stateful import MODELS, Visits, World

CHUNK = 180  # events of each topic
FORMAT = Lua('{ "json", op = "op", row = "row", old = "old" }')
CONFIG = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
READ = ("SELECT COALESCE(SUM(upto), 0) AS n FROM (SELECT MAX(CASE WHEN next_offset < 0 THEN 0 ELSE next_offset END) AS upto "
        "FROM streamlua_progress GROUP BY topic, `partition`) AS each_partition")


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_killed_reloaded_and_joined_by_others_each_event_counts_once(kafka, topic, job, jobs, request, into):
    world = World({name: topic(name, partitions=2) for name in MODELS}, int(os.environ.get("SEED", 1)))
    # So slow that whatever is done to it is done in the middle.
    found = into_either(job, request, into, kafka_source(kafka, list(world.topics.values()), FORMAT, config=CONFIG), world.schema(),
                        {"max_rows_per_second": 3000}, **world.scripts())
    other = jobs("other").write(**world.scripts(visits=Visits.upgraded))
    other.file("job.lua", (job.folder / "job.lua").read_text().replace('"out.db"', f'"{job.folder}/out.db"'))

    def produce():
        kafka.produce(world.records(CHUNK))

    def wait_until_read(chunks, by=job):
        by.wait_for(lambda: found(READ)[0]["n"] >= chunks * CHUNK * len(MODELS), f"{chunks} parts of the events")

    produce()
    job.start()
    wait_until_read(0.3)
    job.write(**world.scripts(visits=Visits.upgraded)).reload()
    wait_until_read(0.7)
    produce()
    job.kill_worker()
    wait_until_read(1.3)
    other.start()
    other.wait_for(lambda: other.http_json("/status")["partitions"], "a share of the partitions")
    produce()
    other.wait_for(lambda: other.http_json("/status")["totals"]["read"] > 0, "something of them")
    wait_until_read(2.3)
    job.kill()
    wait_until_read(2.7, by=other)
    job.start("--workers", 2)
    produce()
    wait_until_read(3.3)
    other.kill()
    wait_until_read(3.6)
    assert job.stop().code == 0
    job.run("--until", "latest").ok()
    world.end()
    expected = world.oracle()
    if into == "sqlite":
        expected.expect_in_sqlite(job.folder / "out.db")
    else:
        expected.expect_in_mariadb(request.getfixturevalue("mariadb"), request.getfixturevalue("database"))
    letters = found("SELECT topic, `partition`, `offset` FROM streamlua_dead_letters")
    assert sorted(tuple(letter.values()) for letter in letters) == sorted(world.dead_letters())
