"""What a job tells those that have its page open (GET /events)."""

import contextlib
import http.client
import json
import time


@contextlib.contextmanager
def listening(port, host="127.0.0.1"):
    """The events of the stream, (name, what it says) each, as they come. host: what the browser believes to ask."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/events", headers={"Host": host})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream"), answer.status
        yield _events(answer)
    finally:
        connection.close()


def told_until(events, condition, what, timeout=60):
    """All that is told up to the event for which condition(name, what it says) holds."""
    told, end = [], time.monotonic() + timeout
    for event in events:
        told.append(event)
        if condition(*event):
            return told
        assert time.monotonic() < end, f"no {what} in {timeout} s; the last that was told: {told[-4:]}"
    raise AssertionError(f"the stream ended before {what}")


def _events(answer):
    fields = {}
    while line := answer.readline().decode():
        if line == "\n":
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])
            fields = {}
            continue
        name, _, value = line.removesuffix("\n").partition(": ")
        assert name in ("event", "data", "retry") and name not in fields, line
        fields[name] = value
