"""`streamlua repl`: Lua on the last events of a job."""

import os
import pty
import re
import select
import time

import pytest

from support.debezium import Table
from support.files import sqlite, tab_lines
from support.job import file_source, jsonl_sink, kafka_source, sqlite_sink, streamlua

SCRIPT = """local function loud(text)
  return text:upper() .. "!"
end

return {
  columns = { id = "id", sku = function(row) return loud(row.sku) end },
  filter = function(row, ctx) return ctx.op == "delete" or row.id ~= 2 end,
}"""


@pytest.fixture
def shop(job):
    orders = Table("orders")
    changes = [orders.insert({"id": i, "sku": f"s{i}"}) for i in range(1, 4)] + [orders.update({"id": 1, "sku": "s1"}, {"id": 1, "sku": "new"})]
    job.file("in.tsv", tab_lines(changes))
    sqlite(job.folder / "out.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")
    return job.write(orders=SCRIPT).job(file_source("in.tsv", key_separator="\t"), sqlite_sink("out.db"))


def repl(job, *lines):
    return job.command("repl", "job.lua", input="".join(line + "\n" for line in lines), XDG_STATE_HOME=str(job.folder / "state"))


def test_lines_of_a_pipe_are_worked_out_with_the_names_of_the_scripts(shop):
    ended = repl(shop, "row", "old.sku", "ctx.op", "columns.sku()", "loud('x')", "out", "prev", "row.id", "prev", "filter()", "events[1].out", "#events",
                 "find ctx.op == 'update'", "x = row.id + 1", "x", "for i = 1, 2 do", "  print(i, row)", "end", "event.outcome, event.offset").ok()
    assert ended.err == ""
    assert ended.out.splitlines() == [
        '{ id = 1, sku = "new" }', '"s1"', '"update"', '"NEW!"', '"X!"', '{ { row = { id = 1, sku = "NEW!" }, target = "orders" } }',
        ">   3  insert   shop.orders          { id = 3 }  written", "3",
        ">   2  insert   shop.orders          { id = 2 }  filtered", "false",
        '{ { row = { id = 1, sku = "S1!" }, target = "orders" } }', "4",
        ">   4  update   shop.orders          { id = 1 }  written", "2",
        '1\t{ id = 1, sku = "new" }', '2\t{ id = 1, sku = "new" }', '"written"  3']
    assert sqlite(shop.folder / "out.db", "SELECT name FROM sqlite_master") == [{"name": "orders"}]  # nothing is written


def test_errors_do_not_end_it(shop):
    ended = repl(shop, "rwo.id", "row.sku = 1", "loud()", "99", "row.(", "find row.id == 77", "io", "1 + 1", "not finished(").ok()
    assert ended.out == "2\n"
    for said in ["repl:1: global 'rwo' is not defined: did you mean 'row'?", "rows are read-only", "scripts/orders.lua:2: attempt to index local 'text'", "there is no event 99: they are 1 to 4",
                 "near '('", "no event has row.id == 77", "'io' is not available in scripts", "the last expression is not finished"]:
        assert said in ended.err, (said, ended.err)


def test_what_keeps_it_from_beginning(shop):
    shop.job(file_source("-"), sqlite_sink("out.db"))
    ended = repl(shop, "1")
    assert ended.code == 2 and "stdin can be read once alone" in ended.err and ended.out == ""
    assert repl(shop.file("job.lua", "return 7"), "1").code == 2
    shop.job(file_source("in.tsv", key_separator="\t"), sqlite_sink("nowhere/out.db"))
    ended = repl(shop, "out[1].row.sku").ok()
    assert "going on without the target" in ended.err and ended.out == '"NEW!"\n'


def test_of_a_topic_the_last_hundred_are_there_in_their_order(kafka, topic, job):
    name = topic(partitions=3)
    orders = Table("orders", topic=name)
    kafka.produce([orders.insert({"id": i}) for i in range(1000)])
    job.write(orders="return {}").job(kafka_source(kafka, name), jsonl_sink("out.jsonl"))
    ended = repl(job, "#events", "local ids = {} for i, e in ipairs(events) do ids[i] = e.row.id end print(table.concat(ids, ' '))").ok()
    count, ids = ended.out.splitlines()
    ids = [int(i) for i in ids.split()]
    assert count == "100" and len(set(ids)) == 100 and min(ids) > 500 and max(ids) > 900, ids  # of one millisecond any may be the last
    assert set(kafka.committed(f"streamlua-{job.name}", name).values()) == {None}


class Terminal:
    def __init__(self, job):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(job.folder)
            os.execve(streamlua(), ["streamlua", "repl", "job.lua"], {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(job.folder / "state")})
        self.seen = ""

    def type(self, keys, until):
        """Types, and waits for what matches. A Ctrl-C empties the terminal's queue: what is before it has to be seen first."""
        os.write(self.fd, keys.encode())
        start, deadline = len(self.seen), time.monotonic() + 60
        while not re.search(until, self.seen[start:]):
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
        return self.seen[start:]


def test_a_terminal_has_completion_history_and_a_way_out_of_loops(shop):
    terminal = Terminal(shop)
    terminal.type("", r"orders 4/4> ")
    terminal.type("row.s\t", "ku")
    terminal.type("\n", r'"new"\s+orders 4/4> ')
    terminal.type("while true do end\n", r"end\r+\n")
    terminal.type("\x03", r"interrupted\s+orders 4/4> ")
    terminal.type("garbage(", r"garbage\(")
    terminal.type("\x03", r"orders 4/4> ")
    terminal.type("6 * 7\n", r"42\s+orders 4/4> ")
    os.write(terminal.fd, b"\x04")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 0
    os.close(terminal.fd)
    kept = shop.folder / "state/streamlua/history"
    assert "row.sku" in kept.read_text() and kept.stat().st_mode & 0o077 == 0
