"""Every folder in examples/ is true: its scripts' own examples pass, its job runs, and the rows are those that are written down."""

import csv
import shutil
import sqlite3
from pathlib import Path

import pytest

from support.job import ROOT, Job

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


def dead_letters(folder):
    with sqlite3.connect(Path(folder) / "target.db") as target:
        return target.execute("SELECT count(*) FROM streamlua_dead_letters").fetchone()[0]


def test_there_are_examples():
    assert len(EXAMPLES) >= 8


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
    assert dead_letters(example.folder) == len(expected(example.folder).get("streamlua_dead_letters", [None])) - 1


@each_example()
def test_run_again_it_reads_nothing_and_from_the_start_it_changes_nothing(example):
    example.run().ok()
    assert "read 0 =" in example.run().ok().err
    again = example.run("--from", "earliest", "--reset-state").ok()
    assert "read 0 =" not in again.err
    expect_tables(example.folder, but=["streamlua_dead_letters"])


@each_example()
def test_its_readme_shows_how_to_run_it(example):
    text = (example.folder / "README.md").read_text()
    assert "sqlite3 target.db < schema.sql" in text and "streamlua job.lua" in text


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
