"""streamlua as a service: what systemd is told (sd_notify), and secrets that stand in files."""

import os
import signal
import socket

import pytest

from support.files import sqlite
from support.job import Lua, file_source, kafka_source, sqlite_sink


@pytest.fixture
def manager(tmp_path):
    """The socket on which a service manager listens; hear() is what was said until there is `last`, WATCHDOGs apart."""
    class Manager:
        def __init__(self):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(tmp_path / "notify"))
            self.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}

        def one(self, timeout=180):
            self.socket.settimeout(timeout)
            return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

        def hear(self, last):
            heard = []
            while not heard or not last.items() <= heard[-1].items():
                heard.append(self.one())
            return [said for said in heard if said.keys().isdisjoint({"WATCHDOG", "STATUS"})]

        def silent(self, seconds):
            """What was said before is read; nothing more may come."""
            try:
                self.socket.settimeout(0)
                while self.socket.recv(4096):
                    pass
            except BlockingIOError:
                pass
            self.socket.settimeout(seconds)
            with pytest.raises(TimeoutError):
                self.socket.recv(4096)

    made = Manager()
    yield made
    made.socket.close()


def test_a_service_manager_is_told_of_start_reload_stop_and_that_it_lives(kafka, topic, job, manager):
    job.write(orders="return {}").job(kafka_source(kafka, topic()), Lua("sl.sink.blackhole()"))
    job.start("--workers", 2, ready=False, WATCHDOG_USEC="200000", **manager.environment)
    assert manager.hear({"READY": "1"}) == [{"READY": "1"}]
    assert job.ready()
    for _ in range(3):  # again and again
        manager.hear({"WATCHDOG": "1"})

    job.write(orders="return { key_by = 'table' }").reload()
    began, over = manager.hear({"READY": "1"})
    assert began.keys() == {"RELOADING", "MONOTONIC_USEC"} and int(began["MONOTONIC_USEC"]) > 0
    assert "accepted" in job.http_json("/status")["reloads"]["last"]

    job.write(orders="return {").reload()  # the old scripts stay, and the service is what it was
    began, over = manager.hear({"READY": "1"})
    while "reload rejected: " not in manager.one().get("STATUS", ""):
        pass

    os.kill(job.pid, signal.SIGSTOP)  # a master that stands still says nothing, so systemd would replace it
    os.waitid(os.P_PID, job.pid, os.WSTOPPED | os.WNOWAIT)
    manager.silent(0.6)
    os.kill(job.pid, signal.SIGCONT)
    manager.hear({"WATCHDOG": "1"})

    job.terminate()
    assert manager.hear({"STOPPING": "1"}) == [{"STOPPING": "1"}]
    assert job.wait().code == 0


def test_a_job_that_ends_by_itself_was_ready(job, manager):
    job.write(t="return {}").file("in.jsonl", '{"id": 1}\n')
    sqlite(job.folder / "out.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    job.job(file_source("in.jsonl", Lua('sl.format(function(m) return { table = "t", row = sl.json.decode(m.value) } end)')), sqlite_sink("out.db"))
    job.run(**manager.environment).ok()
    assert [said for said in manager.hear({"STOPPING": "1"})] == [{"READY": "1"}, {"STOPPING": "1"}]


def test_a_secret_may_stand_in_a_file(job):
    job.write(t='local sl = require "streamlua" return { columns = { id = "id", secret = function() return sl.env("SECRET", "none") end } }')
    job.file("in.jsonl", '{"id": 1}\n').file("secret", "pa ss\nword\r\n")
    job.job(file_source("in.jsonl", Lua('sl.format(function(m) return { table = "t", row = sl.json.decode(m.value) } end)')), sqlite_sink("out.db"))

    def secret(**environment):
        sqlite(job.folder / "out.db", "DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, secret TEXT)")
        job.run("--from", "earliest", **environment).ok()
        return sqlite(job.folder / "out.db", "SELECT secret FROM t")[0]["secret"]

    assert secret() == "none"
    assert secret(SECRET_FILE=str(job.folder / "secret")) == "pa ss\nword"
    assert secret(SECRET_FILE="secret") == "pa ss\nword"  # as all paths: relative to job.lua
    assert secret(SECRET="plain", SECRET_FILE="nowhere") == "plain"

    job.file("job.lua", (job.folder / "job.lua").read_text().replace("return", 'sl.env("SECRET", "none")\nreturn', 1))
    ended = job.run(SECRET_FILE="nowhere")
    assert ended.code == 2
    assert f"job.lua:3: the environment variable 'SECRET_FILE': {job.folder}/nowhere: No such file or directory" in ended.err


def test_a_config_map_that_changes_is_reloaded(kafka, topic, job):
    """As Kubernetes mounts one: links into ..data, a link that is swapped from one folder to the next."""
    def mount(number, script):
        for name, text in (("job.lua", job_lua), ("scripts/orders.lua", script)):
            job.file(f"..{number}/{name}", text)
        (job.folder / "..data_tmp").symlink_to(f"..{number}")
        (job.folder / "..data_tmp").rename(job.folder / "..data")

    job.job(kafka_source(kafka, topic()), Lua("sl.sink.blackhole()"))
    job_lua = (job.folder / "job.lua").read_text()
    (job.folder / "job.lua").unlink()
    (job.folder / "scripts").rmdir()
    mount(1, "return {}")
    for name in ("job.lua", "scripts"):
        (job.folder / name).symlink_to(f"..data/{name}")
    job.start("--watch")
    for number in (2, 3):  # the second comes from a folder that was not there when it was first watched
        before = job.http_json("/status")["version"]
        mount(number, f"return {{ columns = {{ id{number} = 'id' }} }}")
        job.wait_for(lambda: job.http_json("/status")["version"] != before, "the reload")
    assert job.command("status", "job.lua").ok().out.startswith(f"job {job.name} ")  # found by the same path as before
