"""The page on the HTTP port: what it is told, who may listen, and how it looks in a real Chromium."""

import contextlib
import json
import os
import re
import socket
from pathlib import Path

import pytest

from support import browser as browsers, wait_for
from support.browser import contrast
from support.debezium import Record, Table
from support.events import listening, told_until
from support.files import sqlite
from support.job import kafka_source, sqlite_sink

LISTENERS_MOST = 16
NASTY = '{"after": "</pre><script>document.title = \\"taken\\"</script><img src=x onerror=\\"document.title = 1\\">'
SCRIPT = "return { filter = function(row) return row.v ~= 'no' end, columns = { id = 'id', v = function(row) return row.v:upper() end } }"


@pytest.fixture
def shop(kafka, topic, job):
    """A job of one table that runs."""
    sqlite(job.folder / "out.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT)")
    job.orders = Table("orders", topic=topic("orders", partitions=2))
    job.kafka = kafka
    job.write(orders=SCRIPT).job(kafka_source(kafka, job.orders.topic), sqlite_sink("out.db"), memory="16MB").start("--workers", 2)
    return job


def produce(shop, ids, **more):
    shop.kafka.produce([shop.orders.insert({"id": i, "v": "x", **more}) for i in ids])


def totals(shop, *names):
    return [shop.http_json("/status")["totals"][name] for name in names]


def written(shop):
    return len(sqlite(shop.folder / "out.db", "SELECT id FROM orders"))


# ---- what is told ----

def test_the_stream_begins_with_the_hour_and_tells_each_second(shop):
    produce(shop, range(100))
    shop.kafka.produce([Record(shop.orders.topic, b"k", NASTY.encode(), 0)])
    shop.wait_for(lambda: totals(shop, "written", "dead") == [100, 1], "all of it")
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(listening(shop.port))
        name, history = next(events)
        assert name == "history" and history["step_s"] == 10 and history["most"] == 361
        at = {column: i for i, column in enumerate(history["columns"])}
        name, [letter] = next(events)
        assert (name, letter["topic"], letter["stage"], letter["value"], letter["value_bytes"]) == ("letters", shop.orders.topic, "decode", NASTY, len(NASTY))
        name, status = next(events)
        assert name == "status" and status.keys() == shop.http_json("/status").keys()
        assert status["totals"]["read"] == 101 and status["totals"]["lanes"] == 2 and 0 < status["totals"]["memory_most_bytes"] < 16 << 20
        name, now = next(events)
        assert name == "now" and now.keys() == {"kept", "point", "read", "scripts"} and len(now["point"]) == len(at) and now["point"][at["read"]] == 101
        assert now["scripts"] == ["orders"] and now["read"] == [100]

        produce(shop, range(100, 150))
        far = stack.enter_context(listening(shop.port, "shop.example"))  # a page elsewhere whose name leads here
        shop.kafka.produce([shop.orders.insert({"id": 1, "v": None})])
        told = told_until(events, lambda name, said: name == "letters", "letter")
        told += told_until(events, lambda name, said: name == "now" and said["point"][at["rows"]] == said["point"][at["read"]] == 152, "rows")
        times = [said["point"][0] for name, said in told if name == "now"]
        assert times == sorted(times) and all(after - before >= 500 for before, after in zip(times, times[1:]))
        [[letter]] = [said for name, said in told if name == "letters"]  # the first is not told again
        assert re.match(r"scripts/orders.lua:1: .*\n\tscripts/orders.lua:1: in function", letter["error"]) and letter["script"] == "orders"
        assert json.loads(letter["value"])["after"] == {"id": 1, "v": None}
        found = [said for _ in range(2) for said in [told_until(far, lambda name, said: name == "letters", "letters")[-1][1]]]
        assert [said["error"] for said in found[1]] == [letter["error"]]
        assert [said.keys() & {"key", "value"} for letters in found for said in letters] == [set(), set()]
        [lag] = {said["point"][at["lag"]] for name, said in told[-2:] if name == "now"}
        assert lag == 0
    assert shop.stop().code == 0


def test_who_opens_it_late_sees_the_hour_and_the_letters_of_workers_that_died(shop):
    shop.kafka.produce([Record(shop.orders.topic, b"k", b"no json", 0)])
    shop.wait_for(lambda: totals(shop, "dead") == [1], "the dead letter")
    for worker in (1, 0):  # the oldest is the first
        shop.kill_worker(worker)
    produce(shop, range(10))
    shop.wait_for(lambda: written(shop) == 10, "all rows")
    with listening(shop.port) as events:
        (_, history), (_, letters) = next(events), next(events)
    assert [letter["value"] for letter in letters] == ["no json"]
    assert history["points"] and all(len(point["point"]) == len(history["columns"]) for point in history["points"])
    assert shop.stop().code == 0


def test_all_of_it_is_built_in(shop):
    code, page = shop.http("/")
    assert code == 200 and page.startswith("<!doctype html>")
    found = set(re.findall(r'(?:src|href)="(/[^"]*)"', page))
    texts = {path: shop.http(path) for path in found}
    assert len(found) > 6 and {code for code, _ in texts.values()} == {200}
    imported = {path for _, text in texts.values() for path in re.findall(r'from "\.(/\w+\.js)"', text)}
    assert len(imported) >= 4
    texts |= {path: shop.http(path) for path in imported}
    assert {code for code, _ in texts.values()} == {200}
    elsewhere = {address for path, (_, text) in [*texts.items(), ("/", (200, page))] if path not in ("/status", "/status.txt") for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w{2,}[^\s\"']*", text)}
    assert elsewhere <= {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}  # a name, a comment
    assert shop.stop().code == 0


# ---- who listens ----

def test_listeners_are_bounded_and_the_stream_does_not_notice(shop):
    with contextlib.ExitStack() as stack:
        for _ in range(LISTENERS_MOST):  # they ask, and never read
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", shop.port), timeout=10))
            deaf.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: refused(shop.port), "all places taken")
        assert shop.http("/healthz")[0] == 200
        produce(shop, range(1000))
        shop.wait_for(lambda: written(shop) == 1000, "all rows")
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(socket.socket()) for _ in range(700)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", shop.port))
        for i, other in enumerate(others):  # most wait in the kernel; some leave at once, some say what is no HTTP
            with contextlib.suppress(OSError):
                other.send([b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", b"GET /events HTT"][i % 3])
            if i % 2:
                other.close()
        produce(shop, range(1000, 2000))
        shop.wait_for(lambda: written(shop) == 2000, "all rows")
    wait_for(lambda: not refused(shop.port), "a place to listen")
    with listening(shop.port) as events:
        assert next(events)[0] == "history"
    assert shop.http_json("/status")["workers"][0]["restarts"] == 0
    assert shop.stop().code == 0


def refused(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            return one.recv(4096).startswith(b"HTTP/1.1 503")
    except OSError:
        return True


# ---- in a browser ----

@pytest.fixture(scope="module")
def chromium():
    if browsers.MISSING:
        pytest.skip(f"no browser: {', '.join(browsers.MISSING)} is not installed (make test-deps)")
    made = browsers.Browser()
    yield made
    made.close()


def picture(browser, name):
    """PICTURES=FOLDER keeps what was seen, to be looked at."""
    if folder := os.environ.get("PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.picture(Path(folder) / f"{name}.png")


def test_it_shows_what_happens_in_chromium(chromium, shop):
    produce(shop, range(60))
    produce(shop, range(1000, 1005), v="no")
    shop.kafka.produce([Record(shop.orders.topic, b"k", NASTY.encode(), 0), shop.orders.insert({"id": 1, "v": None})])
    shop.wait_for(lambda: totals(shop, "dead") == [2], "the dead letters")
    chromium.size(1280)
    chromium.prefer("light")
    chromium.open(f"http://127.0.0.1:{shop.port}/")

    def shows(selector, text):
        shop.wait_for(lambda: text in chromium.text(selector), f"{text} in {selector}")

    shows("#state", "Ready")
    shows("#read-more", "67 in all")
    shows("#lag", "0 messages")
    shows("#dead", "2")
    assert chromium.text("h1") == shop.name and "sqlite" in chromium.text("#about")
    assert chromium.run("return document.querySelectorAll('.chart canvas').length") == 6

    # Numbers move; what comes is shown without being asked for.
    produce(shop, range(100, 400))
    shows("#read-more", "367 in all")
    tables = "return [...document.querySelectorAll('#tables tbody tr')].map((tr) => [...tr.children].map((cell) => cell.innerText))"
    shop.wait_for(lambda: [(cells[0], cells[5], cells[7], cells[8]) for cells in chromium.run(tables)] == [("orders", "1", "366", "360")], "the table's numbers")
    topics = chromium.run("return [...document.querySelectorAll('#partitions tbody tr')].map((tr) => tr.children[0].innerText)")
    assert topics == [shop.orders.topic] * 2
    assert chromium.run("return document.querySelectorAll('#workers tbody tr').length") == 2

    # Dead letters are text, whatever is in them.
    chromium.run("for (const letter of document.querySelectorAll('.letter')) letter.open = true")
    letters = chromium.text("#letters")
    assert NASTY in letters and "in function" in letters
    assert chromium.run("return document.querySelectorAll('#letters script, #letters img').length") == 0
    assert chromium.run("return document.title") == f"{shop.name} · Ready"

    # Light and dark can be read; a phone shows all of it without going sideways.
    grounds = []
    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        for selector in ("#state", ".number", ".tile .quiet", "#dead", "#tables thead th", "#letters .tag", "#letters pre", "footer a", ".legend b"):
            text, ground = chromium.colours(selector)
            assert contrast(text, ground) >= 4.5, (scheme, selector, text, ground)
        grounds.append(sum(chromium.colours("body")[1]))
        height = chromium.run("return document.documentElement.scrollHeight")
        chromium.size(1280, height)
        picture(chromium, scheme)
        chromium.size(1280)
    assert grounds[0] > 600 and grounds[1] < 200
    for width in (360, 768):
        chromium.size(width, 740, phone=True)
        assert chromium.run("return document.documentElement.scrollWidth") == width
        wait_for(lambda: chromium.run("return Math.max(...[...document.querySelectorAll('.uplot')].map((chart) => chart.getBoundingClientRect().right))") <= width, "narrow charts")
    chromium.size(375, chromium.run("return document.documentElement.scrollHeight"), phone=True)
    picture(chromium, "phone")
    chromium.size(1280)

    # A reload that is rejected says why.
    shop.write(orders="return { nonsense = 1 }").reload()
    shows("#state", "Old scripts")
    shows("#reload-error", "nonsense")
    shop.write(orders=SCRIPT).reload()
    shows("#state", "Ready")

    assert shop.stop().code == 0
    wait_for(lambda: "Not connected" in chromium.text("#state"), "the end")
    picture(chromium, "ended")
    asked = chromium.asked_for()
    assert len(asked) > 6 and [url for url in asked if not url.startswith((f"http://127.0.0.1:{shop.port}/", "data:"))] == []
    assert [line for line in chromium.complaints() if "ERR_CONNECTION_REFUSED" not in line and "ERR_INCOMPLETE_CHUNKED" not in line] == []
