"""Every folder in examples/ is true: its scripts' own examples pass, its job runs, and the rows are those that are written down."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from support.job import ROOT, Job, streamlua, tidb_sink

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/job.lua"))


@pytest.fixture
def example(request, tmp_path):
    """A copy of an example with an empty target, made the way its README says."""
    folder = tmp_path / request.param.name
    shutil.copytree(request.param, folder, ignore=shutil.ignore_patterns("target.db*"))
    with sqlite3.connect(folder / "target.db") as target:
        target.executescript((folder / "schema.sql").read_text())
    job = Job(folder)
    yield job
    job.close()


def each_example():
    return pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name, indirect=True)


def expected(folder):
    """Table -> the lines of its TSV, the names of the columns first."""
    return {path.stem: list(csv.reader(path.open(newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)) for path in Path(folder, "expected").glob("*.tsv")}


def rows(folder, table, columns):
    """What the target holds, as the TSV writes it: texts, and NULL."""
    names = ", ".join(f'"{name}"' for name in columns)
    with sqlite3.connect(Path(folder) / "target.db") as target:
        found = target.execute(f"SELECT {names} FROM {table} ORDER BY {names}").fetchall()
    return [["NULL" if cell is None else str(cell) for cell in row] for row in found]


def expect_tables(folder, but=()):
    tables = {name: table for name, table in expected(folder).items() if name not in but}
    assert tables, "an example writes down what it makes"
    for table, (columns, *lines) in tables.items():
        assert rows(folder, table, columns) == sorted(lines, key=lambda line: [(0, int(c)) if c.isdigit() else (1, c) for c in line]), table


def empty(folder):
    """What is merged is added to what is there: who starts over begins with the tables as they were."""
    with sqlite3.connect(Path(folder) / "target.db") as target:
        target.executescript("".join(f"DROP TABLE {table};" for table in expected(folder)) + (folder / "schema.sql").read_text())


def read_lines(path):
    """A file's lines, in no order; what comes twice is there once."""
    return {json.dumps(json.loads(line), sort_keys=True) for line in path.read_text().splitlines()}


def expect_lines(folder):
    """What it writes beside its tables."""
    for path in Path(folder, "expected").glob("*.jsonl"):
        assert read_lines(Path(folder, path.name)) == read_lines(path), path.name


def dead_letters(folder):
    with sqlite3.connect(Path(folder) / "target.db") as target:
        return target.execute("SELECT count(*) FROM streamlua_dead_letters").fetchone()[0]


# Folders of examples that are no job; what they hold is tested elsewhere.
NO_JOB = {"operations"}


def test_every_folder_is_run_here_and_listed_in_the_table_of_contents():
    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert folders - {path.name for path in EXAMPLES} <= NO_JOB
    listed = re.findall(r"^\| .* \| \[([\w-]+)\]\((.+?)\)", (ROOT / "examples/README.md").read_text(), re.M)
    assert all(name == link for name, link in listed)
    assert {name for name, _ in listed} == folders
    assert "](examples/README.md)" in (ROOT / "README.md").read_text()


@each_example()
def test_its_scripts_pass_their_own_examples(example):
    tested = example.command("test", "job.lua").ok()
    passed, failed = (int(word) for word in tested.out.split() if word.isdigit())
    assert passed > 0 and failed == 0


@each_example()
def test_its_scripts_fit_its_schema(example):
    assert " -> " in example.command("check", "job.lua").ok().out


@each_example()
def test_it_makes_the_rows_that_are_written_down(example):
    example.run().ok()
    expect_tables(example.folder)
    expect_lines(example.folder)
    assert dead_letters(example.folder) == len(expected(example.folder).get("streamlua_dead_letters", [None])) - 1


@each_example()
def test_run_again_it_reads_nothing_and_from_the_start_it_changes_nothing(example):
    example.run().ok()
    assert "read 0 =" in example.run().ok().err
    if any(re.search(r"\bmerge *= *\{", path.read_text()) for path in example.folder.glob("scripts/*.lua")):
        empty(example.folder)
    again = example.run("--from", "earliest", "--reset-state").ok()
    assert "read 0 =" not in again.err
    expect_tables(example.folder, but=["streamlua_dead_letters"])
    expect_lines(example.folder)


@each_example()
def test_its_readme_shows_how_to_run_it(example):
    [words, *_] = shell_of(example.folder)
    assert "sqlite3 target.db < schema.sql" in words and "streamlua job.lua" in words


def shell_of(folder):
    """The blocks that its README has for a shell."""
    return re.findall(r"^```sh\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)


def follow(words, folder, **environment):
    """Types in what a README says."""
    path = folder / "bin"
    path.mkdir()
    (path / "streamlua").symlink_to(streamlua())
    typed = subprocess.run(["bash", "-e", "-c", words], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           env={**os.environ, **environment, "PATH": f"{path}:{os.environ['PATH']}"})
    assert typed.returncode == 0, typed.stdout + typed.stderr
    return typed


@each_example()
def test_who_follows_its_readme_sees_its_rows(example):
    (example.folder / "target.db").unlink()
    shown = follow(shell_of(example.folder)[0], example.folder).stdout.splitlines()
    expect_tables(example.folder)
    for table, (_, *lines) in expected(example.folder).items():
        assert table.startswith("streamlua_") or all("|".join(cell.replace("NULL", "") for cell in line) in shown for line in lines), shown


def test_every_setting_of_what_is_moved_from_has_an_answer():
    """connector.json and the YAML of what a job takes the place of: each setting stands in the README beside it."""
    for path in [*ROOT.glob("examples/from-*/*.json"), *ROOT.glob("examples/from-*/*/*.yml")]:
        if path.suffix == ".json":
            names = json.loads(path.read_text())["config"]
        else:
            names = re.findall(r"^ {0,2}(\w+):", path.read_text(), re.M)
        folder = next(parent for parent in path.parents if (parent / "README.md").exists())
        answered = re.findall(r"`([\w.*]+)[`:]", (folder / "README.md").read_text())
        known = {"connector.class", "transforms", "dataSourceKey", "dbMapping"}
        assert names
        assert [name for name in names if name not in known and not any(re.fullmatch(re.escape(one).replace(r"\*", ".+"), name) for one in answered)] == [], path


def captured(folder):
    """The records of an example whose file has whole ones, for a broker: (topic, partition, key, value, headers)."""
    for line in (folder / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        headers = record.get("headers", [])
        yield record["topic"], 0, record["key"], record["payload"], list(zip(headers[::2], headers[1::2]))


def shown_in_mariadb(mariadb, database, table, columns):
    """As `rows` of SQLite, whose numbers have no zeros behind them."""
    return sorted(["NULL" if row[name] is None else row[name] for name in columns] for row in mariadb.table(table, database, columns))


@pytest.mark.parametrize("example, topics", [(ROOT / "examples" / name, topics) for name, topics in (
    ("alerts-to-kafka", ["stock", "stock-alerts"]), ("events-per-minute", ["views"]), ("chained-alerts", ["requests"]), ("fraud", ["payments"]), ("failed-logins", ["logins"]), ("orders-enriched", ["orders"]),
    ("sessions", ["clicks"]), ("vk-to-tidb", ["vk.shop", "audit.shop"]))],
    ids=lambda value: value.name if isinstance(value, Path) else None, indirect=["example"])
def test_from_a_topic_into_mariadb_it_makes_the_same_rows(kafka, mariadb, database, example, topics):
    [_, words] = shell_of(example.folder)
    for topic in topics:
        kafka.create_topic(topic)
    try:
        if "kcat -P" not in words:
            kafka.produce(captured(example.folder))
        [said, typed] = words.split("\n", 1)
        assert said.startswith("export KAFKA_BROKERS=127.0.0.1:9092 TIDB_HOST=127.0.0.1 ")
        # A bounded run of several workers waits for as long as one that is dead could come back.
        follow(typed.replace(" --workers 4", ""), example.folder, KAFKA_BROKERS=kafka.address, TIDB_HOST=mariadb.host, TIDB_PORT=str(mariadb.port), TIDB_USER=mariadb.user,
               TIDB_PASSWORD=mariadb.password, TIDB_DATABASE=database)
        for path in Path(example.folder, "expected").glob("*.jsonl"):
            assert {json.dumps(json.loads(line)["row"], sort_keys=True) for line in path.read_text().splitlines()} == {
                json.dumps(json.loads(record.value)["row"], sort_keys=True) for record in kafka.consume(topics[-1])}
    finally:
        for topic in topics:
            kafka.delete_topic(topic)
    for table, (columns, *lines) in expected(example.folder).items():
        scale = {"seconds": 2, "amount": 2 if table in ("alerts", "orders") and example.folder.name in ("fraud", "orders-enriched") else None, "due": 2}
        lines = [[f"{float(cell):.{scale[name]}f}" if scale.get(name) else cell for name, cell in zip(columns, line)] for line in lines]
        assert shown_in_mariadb(mariadb, database, table, columns) == sorted(lines), table
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_dead_letters", database=database) == 0
    assert mariadb.value("SELECT COUNT(*) FROM streamlua_parked", database=database) == 0


def plain(cell):
    """Numbers without zeros behind them: SQLite's have none, a DECIMAL has as many as it has places."""
    return cell.rstrip("0").rstrip(".") if re.fullmatch(r"-?\d+\.\d+", cell) else cell


@pytest.mark.parametrize("example", [path for path in EXAMPLES if "TIDB_HOST" not in (path / "job.lua").read_text()], ids=lambda path: path.name, indirect=True)
def test_with_another_sink_it_makes_the_same_rows_in_mariadb(mariadb, database, example):
    path = example.folder / "job.lua"
    path.write_text(path.read_text().replace('sl.sink.sqlite { path = "target.db" }', tidb_sink(mariadb, database)))
    mariadb.execute((example.folder / "schema.sql").read_text(), database=database)
    example.run().ok()
    for table, (columns, *lines) in expected(example.folder).items():
        found = [[plain(cell) for cell in line] for line in shown_in_mariadb(mariadb, database, table, columns)]
        assert sorted(found) == sorted([plain(cell) for cell in line] for line in lines), table


def test_the_scripts_to_start_from_pass_their_examples(job):
    tested = job.command("test", ROOT / "scripts").ok()
    assert int(tested.out.split()[0]) >= 3 * len(list((ROOT / "scripts").glob("*.lua"))) - 2


def test_a_failing_example_is_told_and_exits_1(job):
    job.write(orders="return { examples = { { op = 'insert', row = { id = 1 }, expect = { id = 2 } } } }")
    tested = job.command("test", "scripts")
    assert tested.code == 1
    assert "0 passed, 1 failed" in tested.out and "id = 1" in tested.out and "scripts/orders.lua" in tested.out


def test_a_folder_without_a_job_or_a_script_is_refused(job):
    tested = job.file("nothing/here.txt", "").command("test", "nothing")
    assert tested.code == 2 and "no job.lua and no script" in tested.err
