"""What the end-to-end tests stand on: real servers, jobs as processes, messages, and an independent idea of the right result."""

import time


def wait_for(condition, what, timeout=120):
    """Asks until the condition holds and returns what it said. Only a test that fails waits for the timeout."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
