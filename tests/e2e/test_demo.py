"""`streamlua demo`: it shows its rows and ends where nobody watches; in a terminal it goes on, and takes an edited script over."""

import os
import pty
import re
import select
import signal
import subprocess

import pytest

from support import wait_for
from support.job import _children, streamlua

ORDERS = "streamlua-demo/scripts/orders.lua"

# What the sample changes come to: inserts, an update, a delete, a change of the key, NULL, letters of all sizes.
ROWS = [
    r"1 +7 +17\.50 +TEA-50 +NULL",
    r"3 +8 +12345678901234567890\.12 +KETTLE +30 % off, für Žofie",
    r"50 +9 +8\.00 +SPOON +was order 5",
    r"7 +Žofie Nováková +z\*\*\*@example\.com",
    r"9 +Ann O'Neil +NULL",
    r"10 +Björn Ångström +b\*\*\*@example\.com",
]


@pytest.fixture
def demo(tmp_path):
    """Runs the demo to its end, its output into a pipe."""
    def run(*args):
        return subprocess.run([streamlua(), "demo", "--http", "off", *args], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "KAFKA_BROKERS": "127.0.0.1:1"})
    return run


@pytest.fixture
def terminal(tmp_path):
    """The demo in a terminal: a process, what it shows, and what to type."""
    watched = Terminal(tmp_path)
    yield watched
    watched.close()


class Terminal:
    def __init__(self, folder):
        self.folder, self.seen = folder, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execv(streamlua(), [streamlua(), "demo", "--http", "127.0.0.1:0"])
        self.code = None

    def shows(self, pattern):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        return re.search(pattern, self.seen)

    def wait_for(self, pattern):
        return wait_for(lambda: self.shows(pattern), lambda: f"{pattern!r} in:\n{self.seen[-4000:]}", 60)

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        def ended():
            self.shows("")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return pid
        wait_for(ended, lambda: f"the end of the demo:\n{self.seen[-4000:]}", 60)
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def assert_rows(text, rows):
    for row in rows:
        assert re.search(rf"^ *{row}$", text, re.M), f"{row} in:\n{text}"


def test_it_shows_the_rows_and_ends(demo, tmp_path):
    ended = demo()
    assert ended.returncode == 0, ended.stderr
    assert_rows(ended.stdout, ROWS)
    assert "李娜" not in ended.stdout and "TEST" not in ended.stdout  # inactive; filtered
    assert "zofie@example.com" not in ended.stdout

    line = int(re.search(rf"{ORDERS}, line (\d+)", ended.stdout)[1])
    assert "upper()" in (tmp_path / ORDERS).read_text().splitlines()[line - 1]


def test_an_edited_script_is_kept_and_used(demo, tmp_path):
    assert demo().returncode == 0
    script = tmp_path / ORDERS
    edited = script.read_text().replace("upper()", "lower()")
    script.write_text(edited)
    ended = demo()
    assert ended.returncode == 0, ended.stderr
    assert script.read_text() == edited
    assert_rows(ended.stdout, [row.replace("TEA-50", "tea-50").replace("KETTLE", "kettle").replace("SPOON", "spoon") for row in ROWS])


def test_a_broken_script_is_named_with_its_line_and_exits_2(demo, tmp_path):
    assert demo().returncode == 0
    (tmp_path / ORDERS).write_text("local M = {}\nreturn M M\n")
    ended = demo()
    assert ended.returncode == 2 and "orders.lua:2" in ended.stderr


def test_what_it_did_not_write_stays(demo, tmp_path):
    theirs = tmp_path / ORDERS
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    ended = demo()
    assert ended.returncode == 2 and "did not make it" in ended.stderr
    assert theirs.read_text() == "mine"
    assert [path.name for path in (tmp_path / "streamlua-demo").iterdir()] == ["scripts"]


def test_in_a_terminal_it_goes_on_and_takes_an_edited_script_over(terminal, demo):
    terminal.wait_for(r"\+ orders +id=\d+ .*sku=CUP")
    assert_rows(terminal.seen.replace("\r", ""), ROWS)
    assert "runs here already" in demo().stderr
    pid = int(re.search(r"kill -HUP (\d+)", terminal.seen)[1])
    assert pid == terminal.pid
    assert re.search(r"as a page: http://127\.0\.0\.1:\d+/", terminal.seen)

    script = terminal.folder / ORDERS
    script.write_text(script.read_text().replace("upper()", "lower()"))
    os.kill(pid, signal.SIGHUP)
    terminal.wait_for(r"[+~] orders +id=\d+ .*sku=cup")
    terminal.wait_for(r"- orders +id=\d+")
    children = _children(pid)
    assert len(children) >= 2  # a worker, and the process with the broker

    terminal.type(b"\x03")
    assert terminal.end() == 0
    wait_for(lambda: not any(os.path.exists(f"/proc/{child}") for child in children), "the children's end")


def test_reload_finds_it(terminal, tmp_path):
    terminal.wait_for(r"Changes keep coming")
    reloaded = subprocess.run([streamlua(), "reload", "streamlua-demo/job.lua"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (reloaded.returncode, reloaded.stdout) == (0, "reloaded\n"), reloaded.stderr
    (tmp_path / ORDERS).write_text("nonsense")
    rejected = subprocess.run([streamlua(), "reload", "streamlua-demo/job.lua"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert rejected.returncode == 1 and "the old scripts stay" in rejected.stderr and "orders.lua:1" in rejected.stderr
    terminal.wait_for(r"[+~] orders +id=\d+ .*sku=CUP")
