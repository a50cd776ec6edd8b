"""A process with its children: how long it took, its CPU time, its memory."""

import os
import subprocess
import threading
import time
from pathlib import Path

RUN_SECONDS_MOST = 600


class Measured:
    """Runs the command in the folder to its end. stdout is kept in `out`, stderr is added to the folder's stderr.log.

    `until` is for programs that do not end by themselves: as soon as it returns true the time stops and the process is terminated.
    `memory_mb` is the sum of what each process had resident at its peak, looked at ten times a second.
    """

    def __init__(self, command, folder, until=None, environment=None):
        self._peaks = {}
        self._ended = threading.Event()
        out = folder / "stdout.log"
        began = time.monotonic()
        with open(folder / "stderr.log", "ab") as log, open(out, "wb") as stdout:
            self._process = subprocess.Popen(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                             env={**os.environ, **(environment or {})})
        watch = threading.Thread(target=self._watch)
        watch.start()
        timer = threading.Timer(RUN_SECONDS_MOST, self._process.terminate)
        timer.start()
        try:
            reached = until and self._wait_until(until)
            self.seconds = time.monotonic() - began
            if reached:
                self._process.terminate()
            # The kernel adds what a process has waited for to its own: a master's workers are in it.
            _, status, usage = os.wait4(self._process.pid, 0)
            if not reached:
                self.seconds = time.monotonic() - began
        finally:
            timer.cancel()
            self._ended.set()
            watch.join()
        self.code = self._process.returncode = 0 if reached else os.waitstatus_to_exitcode(status)
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
