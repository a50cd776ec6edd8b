"""A process with its children: how long it took, its CPU time, its memory, and how it ended."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

RUN_SECONDS_MOST = 600
LOG_LINES = 30


def ended(code):
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"


def tail(path):
    """The end of a log."""
    lines = Path(path).read_text(errors="replace").splitlines() if Path(path).exists() else []
    return "\n".join(f"    {line}" for line in lines[-LOG_LINES:]) or "    (nothing)"


class Measured:
    """Runs the command in the folder to its end. stdout is kept in `out`, stderr in the file `log`.

    `until` is for programs that do not end by themselves: as soon as it returns true the time stops and the process is terminated.
    `broken` is asked ten times a second, and so is the clock: where it returns a text, or the time is over, the process is terminated.
    `fault` is then that text, or says how else the process ended badly; None where it did not.
    `memory_mb` is the sum of what each process had resident at its peak, looked at ten times a second.
    """

    def __init__(self, command, folder, name, until=None, environment=None, broken=lambda: None):
        self._peaks = {}
        self._ended = threading.Event()
        self._broken, self.fault = broken, None
        self.log, out = folder / f"{name}.stderr.log", folder / f"{name}.stdout.log"
        self._began = time.monotonic()
        with open(self.log, "wb") as log, open(out, "wb") as stdout:
            self._process = subprocess.Popen(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                             env={**os.environ, **(environment or {})})
        watch = threading.Thread(target=self._watch)
        watch.start()
        try:
            reached = until and self._wait_until(until)
            self.seconds = time.monotonic() - self._began
            if reached:
                self._process.terminate()
            # The kernel adds what a process has waited for to its own: a master's workers are in it.
            _, status, usage = os.wait4(self._process.pid, 0)
            if not reached:
                self.seconds = time.monotonic() - self._began
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._ended.set()
            watch.join()
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if not self.fault and not reached and (code or until):
            self.fault = ended(code)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.memory_mb = sum(self._peaks.values()) / 1024
        self.out = out.read_text()

    def _wait_until(self, until):
        while Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            if until():
                return True
            time.sleep(0.05)
        return False

    def _watch(self):
        while not self._ended.wait(0.1):
            self._look(self._process.pid)
            over = time.monotonic() - self._began > RUN_SECONDS_MOST
            fault = self._broken() or (f"did not end within {RUN_SECONDS_MOST} s" if over else None)
            if fault and not self.fault:
                self.fault = fault
                self._process.kill()

    def _look(self, pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self._peaks[pid] = int(line.split()[1])
        for child in children:
            self._look(int(child))
