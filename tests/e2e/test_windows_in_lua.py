"""Windows whose accumulators Lua makes (add, sub, merge, result): random streams of inserts, updates and deletes, out of order, against windows
that Python fills anew from the whole stream. The number in a test's name is its seed. What a window holds is shown row by row, so that nothing
can make up for something else."""

import datetime
import random

import pytest

from support.debezium import Table
from support.files import into_either, tab_lines
from support.job import file_source

SCRIPT = """
local sl = require "streamlua"

local function copy(acc)
  local ids = {{}}
  for id, version in pairs(acc.ids or {{}}) do ids[id] = version end
  return {{ n = acc.n or 0, total = acc.total or 0, ids = ids }}
end

local function put(acc, row)
  local id = tostring(row.id)
  if acc.ids[id] then error("row " .. id .. " is in it twice") end
  acc.n, acc.total, acc.ids[id] = acc.n + 1, acc.total + row.v, row.version
  return acc
end

return {{
  key_by = {{ "k" }}, time = "at", target = "{name}", emit = "{emit}", window = {window},
  add = function(acc, row)
    if row.v % 2 == 0 then return put(copy(acc), row) end       -- another table, or the same
    local made = copy(acc)
    acc.n, acc.total, acc.ids = made.n, made.total, made.ids
    put(acc, row)
  end,
  sub = function(acc, row)
    local id = tostring(row.id)
    if acc.ids[id] ~= row.version then error("row " .. id .. " is not in it") end
    acc.n, acc.total, acc.ids[id] = acc.n - 1, acc.total - row.v, nil
  end,
  merge = function(a, b)
    a.n, a.total = a.n + b.n, a.total + b.total
    for id, version in pairs(b.ids) do
      if a.ids[id] then error("row " .. id .. " is in both") end
      a.ids[id] = version
    end
    return a
  end,
  result = function(acc, w)
    local held = {{}}
    for id, version in pairs(acc.ids) do held[#held + 1] = ("%05d/%d"):format(id, version) end
    table.sort(held)
    return {{ n = acc.n, total = acc.total, length = w.finish - w.start, held = table.concat(held, " ") }}
  end,
}}
"""

COLUMNS = "k INT, window_start VARCHAR(30), window_end VARCHAR(30), n INT, total INT, length INT, held VARCHAR(4000), PRIMARY KEY (k, window_start)"
START = 1_704_067_200_000  # 2024-01-01, in ms as all times here


def text(ms):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{ms % 1000:03}" if ms % 1000 else "")


class Stream:
    """Changes of one table, as (old row or None, new row or None); times go on, and back by up to `jitter`."""

    def __init__(self, dice, jitter, count=400, only_inserts=False):
        self.dice, self.jitter, self.changes, live = dice, jitter, [], {}
        for i in range(count):
            what = 1 if only_inserts or not live else dice.random()
            old = live[dice.choice(list(live))] if what < 0.5 else None
            new = None if what < 0.2 else self.row(i, old)
            live.pop((old or new)["id"], None)
            if new:
                live[new["id"]] = new
            self.changes.append((old, new))

    def row(self, i, old):
        """An update may move its row to another key and another time."""
        moved = {"k": self.dice.randrange(3), "at": START + max(0, i * 500 - self.dice.randrange(self.jitter) * self.dice.randrange(2)), "v": self.dice.randrange(-50, 50)}
        kept = {name: value for name, value in (old or {}).items() if self.dice.random() < 0.5}
        return {**moved, **kept, "id": old["id"] if old else i, "version": i}

    def messages(self, table):
        def shown(row):
            return row and {**row, "at": text(row["at"])}
        for old, new in self.changes:
            yield table.update(shown(old), shown(new)) if old and new else table.insert(shown(new)) if new else table.delete(shown(old))

    def events(self, out_of_order):
        """(old, new, the watermark before it)"""
        clock = None
        for old, new in self.changes:
            yield old, new, -1 if clock is None else clock - out_of_order
            clock = max(clock or 0, (new or old)["at"])


def row_of(k, start, end, held):
    return {"k": k, "window_start": text(start), "window_end": text(end), "n": len(held), "total": sum(row["v"] for row in held), "length": end - start,
            "held": " ".join(sorted(f"{row['id']:05}/{row['version']}" for row in held))}


def panes(stream, size, hop, out_of_order):
    """Each window by itself, from all events: those that came when it was open."""
    events = list(stream.events(out_of_order))
    rows = [row for old, new, _ in events for row in (old, new) if row]
    starts = {(row["k"], row["at"] // hop * hop - back) for row in rows for back in range(0, size, hop)}
    for k, start in starts:
        held = {}
        for old, new, watermark in events:
            if start + size > watermark:
                if old and old["k"] == k and start <= old["at"] < start + size:
                    del held[old["id"]]
                if new and new["k"] == k and start <= new["at"] < start + size:
                    held[new["id"]] = new
        if held:
            yield row_of(k, start, start + size, list(held.values()))


def sessions(stream, gap, out_of_order):
    of_key = {}
    for _, new, watermark in stream.events(out_of_order):
        if new["at"] + gap <= watermark:
            continue
        all_of_key = of_key.setdefault(new["k"], [])
        start, end, held = new["at"], new["at"] + gap, [new]
        for session in list(all_of_key):
            if session[1] > watermark and session[0] <= new["at"] + gap and session[1] >= new["at"]:
                start, end, held = min(start, session[0]), max(end, session[1]), held + session[2]
                all_of_key.remove(session)
        all_of_key.append((start, end, held))
    return [row_of(k, start, end, held) for k, all_of_key in of_key.items() for start, end, held in all_of_key]


def cases(seed):
    """name -> (script, stream, expected rows): each is a table, and a file of its own, so that nobody moves another's clock."""
    dice = random.Random(seed)
    for emit in ("changes", "final"):
        for kind in ("tumbling", "hopping", "session"):
            hop = dice.choice([700, 1_500, 2_500] if kind == "session" else [700, 5_000, 20_000])
            size = hop * dice.choice([2, 3, 4]) if kind == "hopping" else hop
            jitter, out_of_order = dice.choice([1, 3_000, 30_000]), dice.choice([0, 2_000, 40_000])
            made = f'"{hop}ms"' if kind != "hopping" else f'"{size}ms", "{hop}ms"'
            name = f"{kind}_{emit}"
            script = SCRIPT.format(name=name, emit=emit, window=f'sl.{kind}({made}, {{ out_of_order = "{out_of_order}ms" }})')
            stream = Stream(dice, jitter, only_inserts=kind == "session")
            expected = sessions(stream, hop, out_of_order) if kind == "session" else panes(stream, size, hop, out_of_order)
            yield name, (script, stream, list(expected))


@pytest.mark.parametrize("seed, into", [(1, "sqlite"), (2, "sqlite"), (3, "sqlite"), (4, "sqlite"), (5, "mariadb")])
def test_a_window_holds_the_rows_that_came_while_it_was_open(job, request, seed, into):
    made = dict(cases(seed))
    for name, (_, stream, _) in made.items():
        job.file(f"{name}.tsv", tab_lines(stream.messages(Table(name))))
    source = file_source([f"{name}.tsv" for name in made], key_separator="\t")
    schema = ";".join(f"CREATE TABLE {name} ({COLUMNS})" for name in made)
    found = into_either(job, request, into, source, schema, **{name: script for name, (script, _, _) in made.items()})
    job.run().ok()
    letters = found("SELECT source_table, error FROM streamlua_dead_letters")
    assert letters == [], letters[:2]
    for name, (_, _, expected) in made.items():
        got = {(row["k"], row["window_start"]): row for row in found(f"SELECT * FROM {name}")}
        wanted = {(row["k"], row["window_start"]): row for row in expected}
        assert len(wanted) == len(expected) > 5
        for key in got.keys() | wanted.keys():
            assert got.get(key) == wanted.get(key), (seed, name, key)
