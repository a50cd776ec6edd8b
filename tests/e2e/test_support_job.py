"""The harness itself: what Job says of a process is true. A stand-in with a master and two workers takes streamlua's place."""

import os
import signal

import pytest

from support import job as support
from support import wait_for

STAND_IN = r'''#!/usr/bin/python3
import http.server, os, signal, sys, threading, time
arguments = sys.argv[1:]
if "fail" in arguments:
    print("data"); print("job.lua:3: wrong", file=sys.stderr); sys.exit(2)
if "echo" in arguments:
    sys.stdout.write(sys.stdin.read()); sys.exit(0)
workers = []
for number in range(2):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: time.sleep(1)
    workers.append(pid)
reloads = []
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = {"/metrics": '# HELP x y\nreads{script="a b"} 3\nreloads %d\n' % len(reloads)}.get(self.path, "fine")
        self.send_response(200 if self.path in ("/readyz", "/metrics") else 404); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
def end(*_):
    for pid in workers: os.kill(pid, signal.SIGKILL)
    print("drained", file=sys.stderr, flush=True); os._exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, lambda *_: reloads.append(1))
host, port = arguments[arguments.index("--http") + 1].split(":")
print("started", file=sys.stderr, flush=True)
http.server.ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("STREAMLUA", str(program))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_run_in_the_background(job, stand_in):
    job.start()
    assert job.http("/nowhere") == (404, "fine")
    assert job.metrics() == {'reads{script="a b"}': 3, "reloads": 0}
    job.reload()
    job.wait_for(lambda: job.metrics()["reloads"] == 1, "the reload")
    assert len(job.workers()) == 2
    ended = job.stop()
    assert (ended.code, ended.err) == (0, "started\ndrained\n")
    assert job.http("/readyz") == (0, "")


def test_killed_means_all_of_it(job, stand_in):
    workers = job.start().workers()
    killed = job.kill_worker()
    assert killed == workers[0]
    wait_for(lambda: not alive(killed), "the worker's end")
    assert alive(workers[1])
    job.kill()
    wait_for(lambda: not any(map(alive, workers)), "the workers' end")
    assert job.process.returncode == -signal.SIGKILL
    job.start()
    assert job.log() == "started\nstarted\n"


def test_workers_that_outlive_their_master_are_cleared_away(job, stand_in):
    workers = job.start().workers()
    job.kill_master()
    assert all(map(alive, workers))
    job.close()
    wait_for(lambda: not any(map(alive, workers)), "the workers' end")


def test_waiting_ends_with_the_job(job, stand_in):
    job.start()
    os.kill(job.pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match=r"ended with -9 before something(.|\n)*started"):
        job.wait_for(lambda: False, "something")


def test_a_run_to_its_end(job, stand_in):
    failed = job.run("fail")
    assert (failed.code, failed.out, failed.err) == (2, "data\n", "job.lua:3: wrong\n")
    with pytest.raises(AssertionError, match="job.lua:3"):
        failed.ok()
    assert job.command("echo", input="a\n").ok().out == "a\n"


def test_job_lua_says_what_python_said(job, tmp_path):
    job.job(support.file_source('a "b"\\\n1é', topic="t", settings={"zone": None, "n": [1, True, 0.5]}), support.sqlite_sink(tmp_path / "out.db"),
            dead_letters="x")
    assert (job.folder / "job.lua").read_text() == (
        'local sl = require "streamlua"\n\nreturn sl.job {\n  name = "' + job.name + '",\n'
        r'  source = sl.source.file { ["path"] = "a \034b\034\092\0101\195\169", ["format"] = "debezium", ["topic"] = "t", '
        '["settings"] = { ["n"] = { 1, true, 0.5 } } },\n'
        f'  sink = sl.sink.sqlite {{ ["path"] = "{tmp_path}/out.db" }},\n  tables = "scripts",\n  dead_letters = "x",\n}}\n')
