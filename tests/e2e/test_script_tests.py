"""`*_test.lua`: what authors of scripts say that their scripts do, as `streamlua test` runs it."""

import re

import pytest

from support.files import into_sqlite, rows
from support.job import Lua, file_source

FRAUD = """
local M = { key_by = { "account_id" }, time = "created_at", state = { ttl = "1d" } }

function M.process(row, state, ctx)
  if state.small and row.amount > 500 then
    ctx:emit("alerts", { account_id = row.account_id, payment_id = row.id, amount = row.amount })
  end
  state.small = row.amount < 1 or nil
end

return M
"""

FRAUD_TEST = """
local sl = require "streamlua"
local payment = require "payment"

sl.test.case("a small payment, then a large one", function()
  local h = sl.test.harness "scripts/fraud.lua"
  h:feed { op = "insert", row = payment(1, 0.5, "2024-01-01 10:00:00") }
  h:expect {}
  assert(h:state { 7 }.small)
  h:restart()
  h:feed { op = "insert", row = payment(2, 600, "2024-01-01 10:00:05") }
  h:expect { { target = "alerts", row = { account_id = 7, payment_id = 2, amount = 600 } } }
  assert(h:state { 7 } == nil)
end)

sl.test.case("a day lies between them", function()
  local h = sl.test.harness "fraud.lua"
  h:feed { op = "insert", row = payment(1, 0.5, "2024-01-01 10:00:00") }
  h:feed { op = "insert", row = payment(2, 600, "2024-01-02 10:00:05") }
  h:expect(false)
end)
"""

PAYMENT = """
return function(id, amount, at)
  return { id = id, account_id = 7, amount = amount, created_at = at }
end
"""

VIEWS = """
local sl = require "streamlua"
return {
  key_by = { "page" }, time = "viewed_at", window = sl.tumbling("1m", { out_of_order = "10s" }),
  aggregate = { views = sl.count(), seconds = sl.sum "dwell" }, emit = "changes", target = "per_minute",
  columns = { page = "page", minute = "window_start", views = "views", seconds = "seconds" },
  late = function(row, ctx) ctx:emit("late", { page = row.page }) end,
}
"""

# The watermark is the partition's, so it is still there after the restart.
VIEWS_TEST = """
local sl = require "streamlua"
local h = sl.test.harness "scripts/views.lua"
local function view(at, dwell)
  h:feed { row = { page = "a", viewed_at = "2024-01-01 " .. at, dwell = dwell } }
end
view("10:00:10", 1.5)
view("10:00:20", 2)
h:expect { { row = { page = "a", minute = "2024-01-01 10:00:00", views = 1, seconds = 1.5 } }, { row = { views = 2, seconds = 3.5 } } }
view("10:02:00", 1)
h:restart()
view("10:00:30", 1)
view("10:01:55", 1)
h:expect { { row = { minute = "2024-01-01 10:02:00" } }, { target = "late", row = { page = "a" } },
  { row = { minute = "2024-01-01 10:01:00", views = 1 } } }
"""

PLAIN_TEST = """
local sl = require "streamlua"
local h = sl.test.harness "scripts/orders.lua"
h:feed { op = "insert", row = { id = 1, sku = "a" } }
h:feed { op = "insert", row = { id = 2, sku = "no" } }
h:feed { op = "update", old = { id = 1, sku = "a" }, row = { id = 1, sku = "b" } }
h:feed { op = "delete", row = { id = 1, sku = "b" } }
h:expect { { row = { id = 1, sku = "A" } }, { row = { id = 1, sku = "B" } }, { delete = { id = 1 } } }
"""

PLAIN = """return { filter = function(row) return row.sku ~= "no" end,
  columns = { id = "id", sku = function(row) return row.sku:upper() end },
  examples = { { row = { id = 1, sku = "a" }, expect = { sku = "A" } } } }"""


@pytest.fixture
def shop(job):
    job.write(orders=PLAIN, orders_test=PLAIN_TEST, fraud=FRAUD, fraud_test=FRAUD_TEST, views=VIEWS, views_test=VIEWS_TEST)
    job.file("payment.lua", PAYMENT)
    return job.job(file_source("in.jsonl", format="json"), Lua("sl.sink.blackhole()"))


@pytest.mark.parametrize("words, passed", [
    ([], 5), (["job.lua"], 5), (["."], 5), (["scripts/fraud_test.lua"], 2), (["./scripts/orders_test.lua"], 1), (["scripts/views_test.lua"], 1),
    (["scripts/fraud_test.lua", "scripts/orders_test.lua"], 3),
])
def test_examples_and_tests_are_run_and_counted(shop, words, passed):
    assert f"{passed} passed, 0 failed" in shop.command("test", *words).ok().out


def test_a_folder_of_scripts_and_a_job_that_names_its_scripts(job):
    job.write(orders=PLAIN, orders_test=PLAIN_TEST)
    assert "2 passed, 0 failed" in job.command("test", "scripts").ok().out
    assert "1 passed, 0 failed" in job.command("test", "scripts/orders_test.lua").ok().out
    # Only what job.lua says tells that this script serves "bestellungen".
    job.job(file_source("in.jsonl", format="json"), Lua("sl.sink.blackhole()"), tables={"shop.bestellungen": "scripts/orders.lua"})
    job.write(orders='return { target = "orders", map = function(row, ctx) return { id = row.id, of = ctx.database .. "/" .. ctx.table } end }')
    job.write(orders_test='local h = require "streamlua".test.harness "orders.lua"\nh:feed { row = { id = 1 } }\n'
                          'h:expect { id = 1, of = "shop/bestellungen" }')
    assert "1 passed, 0 failed" in job.command("test").ok().out


def test_what_fails_is_shown_with_its_place_and_ends_with_1(shop):
    shop.write(fraud=FRAUD.replace("> 500", "> 5000"))
    failed = shop.command("test")
    assert failed.code == 1 and "4 passed, 1 failed" in failed.out
    assert ("scripts/fraud_test.lua:12: expected 1 change, got 0:\n"
            "  expected row of alerts { account_id = 7, amount = 600, payment_id = 2 }\n"
            '  in "a small payment, then a large one"\n') in failed.out


@pytest.mark.parametrize("text, said", [
    ("local x =", r"scripts/orders_test.lua:1: "),
    ("\nassert(1 == 2)", r"scripts/orders_test.lua:2: assertion failed!"),
    ('require("streamlua").test.harness "no.lua"', r"scripts/orders_test.lua:1: .*no script no.lua, and none scripts/no.lua"),
    ("local f = io.open", r"scripts/orders_test.lua:1: 'io' is not available in scripts"),
    ('\nrequire("streamlua").test.harness("orders.lua"):feed { row = { id = 1 } }',
     r"scripts/orders_test.lua:2: this event became a dead letter, and no h:expect says so: scripts/orders.lua:2: "),
])
def test_a_test_that_does_not_hold(shop, text, said):
    shop.write(orders_test=text)
    failed = shop.command("test", "scripts/orders_test.lua")
    assert failed.code == 1 and "0 passed, 1 failed" in failed.out
    assert re.search(said, failed.out), failed.out


def test_tests_are_no_scripts_and_only_tests_have_sl_test(shop):
    assert "_test" not in shop.command("check", "job.lua").ok().out
    shop.write(orders='require("streamlua").test.harness "x"\nreturn {}')
    failed = shop.command("check", "job.lua")
    assert failed.code == 2
    assert "scripts/orders.lua:1: sl.test.harness: no test runs here: it is for *_test.lua files" in failed.err


def test_a_test_that_is_not_there_or_beside_no_script_ends_with_2(shop):
    assert shop.command("test", "scripts/none_test.lua").code == 2
    shop.file("other/x_test.lua", "")
    failed = shop.command("test", "other/x_test.lua")
    assert failed.code == 2 and "it stands beside no script of" in failed.err


STEPS = """{ name = "half a minute", steps = {
    { row = { page = "a", viewed_at = "2024-01-01 10:00:10", dwell = 1.50 }, expect = { views = 1, seconds = 1.5 } },
    { restart = true },
    { row = { page = "a", viewed_at = "2024-01-01 10:00:40", dwell = 2 }, expect = { minute = "2024-01-01 10:00:00", views = 2, seconds = 3.5 } },
    { advance_to = "2024-01-01 10:01:00" },
    { row = { page = "a", viewed_at = "2024-01-01 10:00:50", dwell = 2 }, expect = { target = "late", row = { page = "a" } } },
  } }"""


def test_steps_of_examples_are_run_by_test_by_check_with_the_targets_types_and_before_a_start(job):
    schema = """CREATE TABLE per_minute (page VARCHAR(20), minute DATETIME, views INT, seconds DECIMAL(10,2), PRIMARY KEY (page, minute));
                CREATE TABLE late (page VARCHAR(20) PRIMARY KEY)"""
    views = VIEWS.replace("\n}", f"\n  examples = {{ {STEPS} }},\n}}")
    into_sqlite(job, file_source("in.jsonl", format="json", topic="views"), schema, views=views)
    job.file("in.jsonl", '{"page":"a","viewed_at":"2024-01-01 10:00:10","dwell":1}\n')
    assert "1 passed, 0 failed" in job.command("test").ok().out
    job.command("check", "job.lua").ok()
    job.run().ok().counts(written=1)  # what the steps did is nowhere
    assert rows(job, "SELECT views FROM per_minute") == [{"views": 1}] and rows(job, "SELECT * FROM late") == []

    job.write(views=views.replace("views = 2,", "views = 3,"))
    failed = job.command("test")
    said = ": example 1 (half a minute): step 3: expected 1 change, got 1:\n  expected row of per_minute { minute"
    assert failed.code == 1 and "0 passed, 1 failed" in failed.out and said in failed.out, failed.out
    for refused in job.command("check", "job.lua"), job.run():
        assert refused.code == 2 and said in refused.err, refused.err
    # What the target does not have is only known where there is one.
    job.write(views=views.replace('ctx:emit("late"', 'ctx:emit("lost"').replace('target = "late"', 'target = "lost"'))
    assert "1 passed, 0 failed" in job.command("test").ok().out
    refused = job.run()
    assert refused.code == 2 and "step 5: " in refused.err and "the target has no table lost" in refused.err, refused.err
