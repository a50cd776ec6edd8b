"""A job as a process: its files in a folder of its own, streamlua run on them, watched and torn down."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from random import randrange

from . import wait_for

ROOT = Path(__file__).resolve().parents[2]


def streamlua():
    """The program under test; the environment's STREAMLUA takes its place, for a build with sanitizers."""
    return str(Path(os.environ.get("STREAMLUA", ROOT / "build/streamlua")).resolve())


class Lua(str):
    """Text that is Lua already."""


def lua(value):
    """A Python value as a Lua literal; dicts become tables with the keys that are not None."""
    if isinstance(value, Lua):
        return str(value)
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        # Decimal escapes hold for every byte, whatever stands behind them.
        return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03}" for b in str(value).encode()) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"[{lua(name)}] = {lua(v)}" for name, v in value.items() if v is not None) + " }"
    return "{ " + ", ".join(lua(v) for v in value) + " }"


def kafka_source(kafka, topics, format="debezium", start="earliest", **more):
    """A source of job.lua; `format` may be a list such as ["debezium"] with settings in Lua()."""
    topics = [topics] if isinstance(topics, str) else topics
    return Lua(f"sl.source.kafka {lua({'brokers': kafka.address, 'topics': topics, 'format': format, 'start': start, **more})}")


def file_source(path, format="debezium", **more):
    return Lua(f"sl.source.file {lua({'path': path, 'format': format, **more})}")


def tidb_sink(mariadb, database, port=None, **more):
    """A sink of job.lua; another port leads through a proxy."""
    place = {"host": mariadb.host, "port": port or mariadb.port, "user": mariadb.user, "password": mariadb.password, "database": database}
    return Lua(f"sl.sink.tidb {lua({**place, **more})}")


def sqlite_sink(path, **more):
    return Lua(f"sl.sink.sqlite {lua({'path': path, **more})}")


def jsonl_sink(path="-", **more):
    return Lua(f"sl.sink.jsonl {lua({'path': path, **more})}")


@dataclass
class Result:
    code: int
    out: str
    err: str

    def ok(self):
        assert self.code == 0, f"exit {self.code}:\n{self.err}"
        return self

    def counts(self, **expected):
        """What the summary counts; it must add up. counts(written=2, dead_letters=1) also says that the others are 0."""
        summary = re.search(r"^read (\d+) = (.*), in [\d.]+ s$", self.err, re.M)
        assert summary, f"there is no summary:\n{self.err}"
        parts = dict(re.findall(r"([a-z ]+?) (\d+)(?: \+ |$)", summary[2]))
        numbers = {name.replace(" ", "_"): int(number) for name, number in parts.items()}
        assert sum(numbers.values()) == int(summary[1]), summary[0]
        if expected:
            assert {name: number for name, number in numbers.items() if number} == {n: v for n, v in expected.items() if v}, summary[0]
        return numbers


class Job:
    """One folder, and at most one run in the background."""

    def __init__(self, folder, name="job"):
        self.folder, self.name = Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.port = None
        self._log = self.folder / "stderr.log"
        self._out = self.folder / "stdout.log"
        self._killed = []

    def write(self, **files):
        """scripts by name: write(orders="return {}") is scripts/orders.lua."""
        for name, text in files.items():
            self.file(f"scripts/{name}.lua", text)
        return self

    def file(self, path, text):
        """Any file of the job, replaced at once as an editor does."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.new")
        beside.write_bytes(text if isinstance(text, bytes) else text.encode())
        beside.replace(place)
        return self

    def job(self, source, sink, tables="scripts", **more):
        """Writes job.lua."""
        (self.folder / "scripts").mkdir(exist_ok=True)
        fields = {"name": self.name, "source": source, "sink": sink, "tables": tables, **more}
        lines = "".join(f"  {name} = {lua(value)},\n" for name, value in fields.items())
        return self.file("job.lua", f'local sl = require "streamlua"\n\nreturn sl.job {{\n{lines}}}\n')

    def command(self, *args, input=None, timeout=300, **environment):
        """Runs `streamlua ARGS` in the job's folder to its end."""
        process = subprocess.Popen([streamlua(), *map(str, args)], cwd=self.folder, env={**os.environ, **environment},
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, err = process.communicate(input.encode() if isinstance(input, str) else input, timeout)
        except BaseException:
            _end_session(process)
            raise
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def run(self, *args, **more):
        """Runs the job to its end: for bounded sources and --until."""
        return self.command("run", "job.lua", "--http", "off", *args, **more)

    def start(self, *args, ready=True, timeout=180, **environment):
        """Runs the job in the background; returns once it says that it is ready. stderr of all starts gathers in log()."""
        assert self.process is None or self.process.poll() is not None, "the job runs already"
        self.port = _free_port()
        with open(self._log, "ab") as log, open(self._out, "ab") as out:
            words = [streamlua(), "run", "job.lua", "--http", f"127.0.0.1:{self.port}", *map(str, args)]
            self.process = subprocess.Popen(words, cwd=self.folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=log, start_new_session=True)
        if ready:
            self.wait_for(self.ready, "/readyz", timeout)
        return self

    def wait_for(self, condition, what="the condition", timeout=180):
        """wait_for that also ends, and shows the log, as soon as the job does."""
        def alive_and_so():
            if condition():
                return True
            if self.process and self.process.poll() is not None and not condition():
                raise AssertionError(f"the job ended with {self.process.returncode} before {what}:\n{self.log()[-4000:]}")
            return False
        return wait_for(alive_and_so, lambda: f"{what}; the job said:\n{self.log()[-4000:]}", timeout)

    def ready(self):
        return self.http("/readyz")[0] == 200

    def http(self, path, method="GET"):
        """(status, text); status 0 where nothing answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def http_json(self, path):
        return json.loads(self.http(path)[1])

    def metrics(self):
        """Prometheus' text as {"name{labels}": value}."""
        lines = [line for line in self.http("/metrics")[1].splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    @property
    def pid(self):
        return self.process.pid

    def workers(self):
        """Pids of the master's children, oldest first."""
        return _children(self.pid)

    def reload(self):
        os.kill(self.pid, signal.SIGHUP)

    def kill(self):
        """kill -9 of master and workers at once: what a power cut is to the job."""
        _end_session(self.process)

    def kill_master(self):
        self.process.kill()
        self.process.wait(60)

    def kill_worker(self, number=0):
        pid = self.workers()[number]
        os.kill(pid, signal.SIGKILL)
        self._killed.append(pid)
        return pid

    def freeze(self):
        """Master and workers stand still until thaw()."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.pid, signal.SIGCONT)

    def terminate(self):
        """Asks for a clean end; wait() for it."""
        self.process.terminate()

    def wait(self, timeout=180):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s; the job said:\n{self.log()[-4000:]}") from None
        return Result(code, self.out(), self.log())

    def stop(self, timeout=180):
        """A clean end. It is not asked for before the master has noticed who was killed: that such a worker did not drain is no clean end."""
        self.wait_for(lambda: not set(self._killed) & set(self.workers()), "the master to notice who was killed")
        self.terminate()
        return self.wait(timeout)

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def out(self):
        return self._out.read_text(errors="replace") if self._out.exists() else ""

    def close(self):
        """Ends whatever is left of it and removes its files."""
        if self.process:
            _end_session(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


def _end_session(process):
    """kill -9 to the process and to all it started: its group, which workers keep alive after the master is gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(60)


def _children(pid):
    found = []
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in the middle may hold anything; what follows its last parenthesis does not.
            parent = int(task.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(task.parent.name))
    return sorted(found)


def _free_port():
    """A port below those that the kernel gives to outgoing connections."""
    while True:
        port = randrange(10240, 30240)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
