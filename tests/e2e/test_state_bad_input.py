"""What is wrong with an event of a script that keeps state is said with its script, line, table and key; the event is a dead letter, and what is
kept of its key is as it was: the key's next event shows it. A topic each, all in one run."""

import json

import pytest

from support.debezium import Table
from support.files import into_either, kcat_lines
from support.job import file_source

AT = "2024-01-01 00:00:0"


def counting(line, more=""):
    """`line` stands in line 3."""
    return f"""return {{ key_by = {{ "k" }}, time = "at", target = "t", process = function(row, state, ctx)
  state.n = (state.n or 0) + 1
  if row.v == 13 then {line} end
  return {{ k = row.k, id = row.id, n = state.n }}
end, {more} }}"""


def windowed(what):
    return f"""local sl = require "streamlua"
return {{ key_by = {{ "k" }}, time = "at", target = "w", window = sl.tumbling("1h", {{ out_of_order = "1d" }}), {what} }}"""


# `what` stands in line 3.
ADDING = """
  add = function(acc, row) if row.v == 13 then %s end acc.n = (acc.n or 0) + 1 end,
  sub = function(acc, row) acc.n = acc.n - 1 end, result = function(acc) return { n = acc.n } end"""

BAD = {"v": 13}
# topic -> script, what differs in the event that is bad, and what is said of it.
CASES = {
    "a_function": (counting("state.f = print"), BAD, "scripts/a_function.lua: state.f cannot be saved: a function has no form in JSON"),
    "a_cycle": (counting("state.me = state"), BAD, "cannot be saved: more than 100 tables in each other, or a table in itself"),
    "too_large": (counting('state.x = ("x"):rep(2 ^ 20)'), BAD, "scripts/too_large.lua: state takes 1048590 bytes, and a row of streamlua_state holds 1048576"),
    "in_a_map": (counting('ctx:map("m").a = print'), BAD, 'scripts/in_a_map.lua: m["a"] cannot be saved: a function has no form in JSON'),
    "an_error": (counting("error 'oh'"), BAD, "scripts/an_error.lua:3: oh"),
    "a_time": (counting(""), {"at": "yesterday"}, "scripts/a_time.lua: time: column at: 'yesterday' is no time"),
    "no_time": (counting(""), {"at": None}, "scripts/no_time.lua: time: column at is missing, or NULL"),
    "a_function_of_time": (counting("").replace('time = "at"', 'time = function(row) return require("streamlua").time.parse(row.at) end'), {"at": "yesterday"},
                           "scripts/a_function_of_time.lua: time.parse: 'yesterday' is no time"),
    "in_the_past": (counting("ctx:timer(row.at)", "on_timer = function() end"), BAD,
                    f"scripts/in_the_past.lua:3: ctx:timer: {AT}1.000 is in the past: the watermark is 2024-01-01"),
    "no_timer": (counting("ctx:timer 'noon'", "on_timer = function() end"), BAD, "scripts/no_timer.lua:3: ctx:timer: time.parse: 'noon' is no time"),
    "not_a_number": (windowed('aggregate = { n = sl.count(), v = sl.sum "v" }'), {"v": "NaN"}, "NaN"),
    "made_not_a_number": (windowed(ADDING % "acc.n = 0 / 0"), BAD, "nan"),
    "no_number": (windowed('aggregate = { n = sl.count(), v = sl.sum "v" }'), {"v": "many"}, "'many' is no decimal number"),
    "below_zero": (windowed("aggregate = { n = sl.count() }"), "delete", "a row is taken back from a window that never had it"),
    "no_such_column": (windowed("aggregate = { n = sl.count() }"), "without at", "scripts/no_such_column.lua: time: column at is missing, or NULL"),
    "add_no_table": (windowed(ADDING % "return 5"), BAD, "scripts/add_no_table.lua: add returned a number: an accumulator is a table"),
    "add_a_function": (windowed(ADDING % "acc.f = print"), BAD, "f cannot be saved: a function has no form in JSON"),
    "add_fails": (windowed(ADDING % "acc.n = acc.n.n.n"), BAD, "scripts/add_fails.lua:3: attempt to index"),
}


def messages(name, differs):
    """Three of a key, the second of which is bad."""
    table = Table(name, topic=name)
    events = [{"id": i, "k": name, "at": f"{AT}{i}", "v": 5} for i in range(3)]
    if differs == "without at":
        events = [{column: value for column, value in event.items() if column != "at"} for event in events]
    bad = {**events[1], **differs} if isinstance(differs, dict) else events[1]
    if differs == "delete":
        return [table.insert(events[0]), table.delete({**bad, "at": "2024-01-01 01:30:00"}), table.insert(events[2])]
    return [table.insert(events[0]), table.insert(bad), table.insert(events[2])]


SCHEMA = """CREATE TABLE t (k VARCHAR(40), id INT, n INT, PRIMARY KEY (k, id));
CREATE TABLE w (k VARCHAR(40), window_start VARCHAR(30), window_end VARCHAR(30), n INT, v INT, PRIMARY KEY (k, window_start))"""


@pytest.mark.parametrize("into", ["sqlite", "mariadb"])
def test_bad_input_is_a_dead_letter_that_says_where_and_what_is_kept_stays(job, request, into):
    job.file("in", kcat_lines(message for name, (_, differs, _) in CASES.items() for message in messages(name, differs)))
    found = into_either(job, request, into, file_source("in", envelope="kcat"), SCHEMA, **{name: script for name, (script, _, _) in CASES.items()})
    job.run().ok().counts(written=2 * len(CASES) - 2, dead_letters=len(CASES) + 2)

    letters = {name: [] for name in CASES}
    for letter in found("SELECT source_table, stage, error FROM streamlua_dead_letters"):
        letters[letter["source_table"].removeprefix("shop.")].append(letter)
    for name, (script, differs, said) in CASES.items():
        assert len(letters[name]) == (3 if differs == "without at" else 1), (name, letters[name])
        for letter in letters[name]:
            assert letter["stage"] == "script" and letter["error"].startswith(f"scripts/{name}.lua:") and said.lower() in letter["error"].lower(), (name, letter)
            assert f'key ["{name}"]' in letter["error"], letter

    kept = {row["script"]: json.loads(row["value"]) for row in found("SELECT script, value FROM streamlua_state")}
    for name, (script, differs, _) in CASES.items():
        if "sl.tumbling" in script:
            held = found(f"SELECT n, v FROM w WHERE k = '{name}'")
            sums = "sl.sum" in script
            assert held == ([] if differs == "without at" else [{"n": 2, "v": 10 if sums else None}]), (name, held)
            assert [pane["n"] for pane in kept.get(name, {}).values()] == [row["n"] for row in held], (name, kept)
        else:
            assert found(f"SELECT id, n FROM t WHERE k = '{name}' ORDER BY id") == [{"id": 0, "n": 1}, {"id": 2, "n": 2}], name
            assert kept[name] == {"n": 2}
