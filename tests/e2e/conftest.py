"""Fixtures of the end-to-end tests. Servers start once a session, when the first test asks for them; every test has topics and
databases of its own."""

import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.job import Job  # noqa: E402
from support.mysql_proxy import MysqlProxy  # noqa: E402
from support.registry import Registry  # noqa: E402
from support.servers import Kafka, MariaDB  # noqa: E402

_numbers = itertools.count(1)
_runtime = tempfile.mkdtemp(prefix="streamlua-tests-")


def pytest_configure(config):
    config.addinivalue_line("markers", "first: takes long, and is begun before all others")
    # A time limit's SIGTERM ends the servers and jobs as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Masters that are killed leave their pid files behind.
    os.environ["XDG_RUNTIME_DIR"] = _runtime


def pytest_unconfigure():
    shutil.rmtree(_runtime, ignore_errors=True)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


def _session_server(kind):
    server = kind()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def kafka_server():
    yield from _session_server(Kafka)


@pytest.fixture(scope="session")
def mariadb_server():
    yield from _session_server(MariaDB)


@pytest.fixture
def kafka(kafka_server):
    """The session's broker, running whatever the test before did to it."""
    kafka_server.ensure()
    return kafka_server


@pytest.fixture
def mariadb(mariadb_server):
    """The session's database server, running whatever the test before did to it."""
    mariadb_server.ensure()
    return mariadb_server


@pytest.fixture
def unique(request):
    """A name that no other test has: for topics, databases and jobs. At most 40 bytes."""
    words = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower()).removeprefix("test_")
    return f"{words[:34].strip('_')}_{next(_numbers)}"


@pytest.fixture
def topic(kafka, unique):
    """Makes topics: topic(), topic("orders", partitions=4)."""
    made = []

    def make(name=None, partitions=1, **config):
        made.append(kafka.create_topic(f"{unique}.{name or f't{len(made)}'}", partitions, **config))
        return made[-1]

    yield make
    kafka.ensure()
    for each in made:
        if kafka.partitions(each):
            kafka.delete_topic(each)


@pytest.fixture
def database(mariadb, unique):
    """The name of an empty database."""
    yield mariadb.create_database(unique)
    mariadb.ensure()
    mariadb.drop_database(unique)


@pytest.fixture
def proxy(mariadb):
    """A proxy in front of MariaDB that can lose, delay and forge what passes."""
    with MysqlProxy(mariadb.host, mariadb.port) as between:
        yield between


@pytest.fixture
def registry():
    """A schema registry for this test alone."""
    made = Registry()
    yield made
    made.stop()


@pytest.fixture
def job(tmp_path, unique):
    """A job in a folder of its own."""
    with_files = Job(tmp_path / "job", unique)
    yield with_files
    with_files.close()


@pytest.fixture
def jobs(tmp_path, unique):
    """Makes further jobs, for tests that run several: jobs("b")."""
    made = []

    def make(name):
        made.append(Job(tmp_path / name, f"{unique}_{name}"))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the job said stands below the failure of its test."""
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("job")
    if report.failed and isinstance(running, Job) and running.log():
        report.sections.append(("the job's log", running.log()[-8000:]))
