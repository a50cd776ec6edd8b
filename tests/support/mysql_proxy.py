"""A proxy between a client and a MySQL server that loses, delays, holds and forges what passes, at the statement that a
test names.

In a test:
    with MysqlProxy(mariadb.host, mariadb.port) as proxy:       # proxy.port is where the client connects
        cut = proxy.cut_after("COMMIT")                         # the server commits, the client never hears of it
        ...
        cut.wait()

By hand, from the folder tests:
    /usr/bin/python3 -m support.mysql_proxy 127.0.0.1:3306 --listen 3307 --do 'delay 0.2 COMMIT'
    then commands on stdin, one a line: freeze, thaw, cut_before COMMIT nth=3, error 1213 40001 Deadlock INSERT times=5, stats ...

A statement is the text of one COM_QUERY, with all it holds, or the text that an executed statement was prepared from. `match` is a
regular expression looked for in it without regard to case; plain words are looked for as words, so that COMMIT is not found in
SET autocommit = 0. Every method that takes one returns a Rule; the rule holds for the
nth such statement (counted over all connections, from now on) and the `times` - 1 after it.
"""

import argparse
import asyncio
import collections
import contextlib
import re
import shlex
import sys
import threading

from . import mysql_protocol as protocol

FOREVER = 10**12
HISTORY_STATEMENTS, HISTORY_BYTES = 10_000, 4_000


class Rule:
    def __init__(self, action, match, nth, times, **settings):
        self.action, self.settings = action, settings
        self.hits = 0
        self._match = re.compile((rf"\b{match}\b" if re.fullmatch(r"\w[\w ]*", match) else match).encode(), re.IGNORECASE)
        self._first, self._last = nth, nth + times - 1
        self._seen = 0
        self._lock = threading.Lock()
        self._happened, self._released = threading.Event(), threading.Event()

    def wait(self, timeout=60):
        """Until it was applied for the first time. What is held or delayed waits already, what is cut is cut."""
        assert self._happened.wait(timeout), f"{self.action} of {self._match.pattern!r} did not happen within {timeout} s"
        return self

    def release(self):
        """Lets go on what hold() holds."""
        self._released.set()

    @property
    def happened(self):
        return self._happened.is_set()

    def _claims(self, statement):
        with self._lock:
            if self._seen >= self._last or not self._match.search(statement):
                return False
            self._seen += 1
            return self._seen >= self._first

    def _statements_before(self, text):
        """What stands before the statement that matches, without its end."""
        return text[:self._match.search(text).start()].rpartition(b";\n")[0]

    def _mark(self):
        with self._lock:
            self.hits += 1
        self._happened.set()


class _Cut(Exception):
    """Ends a connection on both sides, without good-bye."""

    def __init__(self, linger=False):
        self.linger = linger


class MysqlProxy:
    def __init__(self, host, port, listen_port=0):
        self._target = (host, port)
        self._listen_port = listen_port
        self._rules = []
        self._links = set()
        self._lingering = []
        self._accepts = True
        self._flowing = None
        self.latency_seconds = 0
        self.bytes_per_second = 0
        self.accepted = 0
        self.statements = collections.deque(maxlen=HISTORY_STATEMENTS)

    # What a test does to the statements that pass

    def cut_before(self, match, nth=1, times=1):
        """The statement does not reach the server; both connections end."""
        return self._rule("cut_before", match, nth, times)

    def cut_request(self, match, nth=1, times=1):
        """Half of the statement's packet reaches the server; both connections end."""
        return self._rule("cut_request", match, nth, times)

    def cut_during(self, match, nth=1, times=1, linger=False):
        """The statement is sent to the server, and both connections end at once: nobody knows. With `linger` the server does not
        notice: its side stays open, with whatever it holds locked, until drop_lingering()."""
        return self._rule("cut_during", match, nth, times, linger=linger)

    def cut_after(self, match, nth=1, times=1, linger=False):
        """The server has done it and answered; the client does not get the answer, its connection ends. `linger` as above."""
        return self._rule("cut_after", match, nth, times, linger=linger)

    def cut_answer(self, match, nth=1, times=1, after_bytes=3):
        """The client gets the first bytes of the answer; both connections end."""
        return self._rule("cut_answer", match, nth, times, after_bytes=after_bytes)

    def error(self, code, state, text, match, nth=1, times=1, rollback=False, within=False):
        """The client gets this error, the server nothing; with `rollback` it rolls back, as it does itself for a deadlock. `within` a text
        of several statements, each on a line of its own, it is the one that matches which fails: those before it are carried out."""
        return self._rule("error", match, nth, times, code=code, state=state, text=text, rollback=rollback, within=within)

    def delay(self, seconds, match, nth=1, times=FOREVER, after=False):
        """The statement waits on its way to the server, or (after) its answer on the way back."""
        return self._rule("delay", match, nth, times, seconds=seconds, after=after)

    def hold(self, match, nth=1, times=1, after=False):
        """As delay, until the rule's release()."""
        return self._rule("hold", match, nth, times, after=after)

    # What it does to all that passes

    def freeze(self):
        """Nothing passes in either direction, nothing is closed, until thaw()."""
        self._call(self._flowing.clear)

    def thaw(self):
        self._call(self._flowing.set)

    def latency(self, seconds):
        """Every answer is that late."""
        self.latency_seconds = seconds

    def throttle(self, bytes_per_second):
        """For each connection and direction; 0 is no limit."""
        self.bytes_per_second = bytes_per_second

    def refuse(self):
        """New connections are closed at once, until accept()."""
        self._accepts = False

    def accept(self):
        self._accepts = True

    def drop(self):
        """Ends all connections, without good-bye."""
        self._call(lambda: [link.abort() for link in list(self._links)])

    def drop_lingering(self):
        """The server learns that the clients of `linger` are gone."""
        def abort():
            while self._lingering:
                self._lingering.pop().abort()
        self._call(abort)

    def clear(self):
        """Forgets all rules and lets everything pass as it comes."""
        for rule in self._rules:
            rule.release()
        self._rules = []
        self.latency(0)
        self.throttle(0)
        self.accept()
        self.thaw()

    @property
    def open(self):
        """Connections now."""
        return len(self._links)

    def stats(self):
        rules = [f"{r.action} {r._match.pattern.decode()}: {r.hits}" for r in self._rules]
        return "\n".join([f"open {self.open}, accepted {self.accepted}, statements {len(self.statements)}", *rules])

    # Life

    def start(self):
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="mysql-proxy", daemon=True)
        self._thread.start()
        started.wait(30)
        if not self.port:
            raise RuntimeError(f"the proxy cannot listen on port {self._listen_port}")
        return self

    def stop(self):
        self.clear()
        self._call(self._stopping.set)
        self._thread.join(30)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _rule(self, action, match, nth, times, **settings):
        rule = Rule(action, match, nth, times, **settings)
        self._rules = [*self._rules, rule]
        return rule

    def _call(self, function):
        """Runs it on the proxy's thread, and returns once it has run."""
        async def run():
            return function()
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    async def _serve(self, started):
        self._loop = asyncio.get_running_loop()
        self._flowing, self._stopping = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        self.port = 0
        try:
            server = await asyncio.start_server(self._on_client, "127.0.0.1", self._listen_port, limit=1 << 20)
            self.port = server.sockets[0].getsockname()[1]
        finally:
            started.set()
        await self._stopping.wait()
        server.close()
        tasks = [link.task for link in self._links]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._lingering:
            self._lingering.pop().abort()

    async def _on_client(self, reader, writer):
        self.accepted += 1
        if not self._accepts:
            writer.transport.abort()
            return
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            # CancelledError too: asyncio's server would print it.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await link.run()
        finally:
            self._links.discard(link)


class _Link:
    """One client's connection and the one to the server that serves it. Strictly a statement, then its answer: what a client
    sends ahead waits in its socket."""

    def __init__(self, proxy, reader, writer):
        self.proxy, self.client, self.to_client = proxy, reader, writer
        self.to_server = None
        self.prepared = {}
        self.task = asyncio.current_task()

    def abort(self):
        self.to_client.transport.abort()
        if self.to_server:
            self.to_server.transport.abort()

    async def run(self):
        try:
            self.server, self.to_server = await asyncio.open_connection(*self.proxy._target, limit=1 << 20)
            # drain() then means that all is in the socket: what was sent before a cut has been sent.
            for writer in (self.to_client, self.to_server):
                writer.transport.set_write_buffer_limits(high=0)
            # One read of the server is always on its way, so that its end is noticed between statements too.
            self._expect_server()
            if await self._log_in():
                while await self._statement():
                    pass
            # A good end is passed on as one.
            for writer in (self.to_client, self.to_server):
                writer.close()
        except _Cut as cut:
            if cut.linger:
                self.to_client.transport.abort()
                self.proxy._lingering.append(self)
            else:
                self.abort()
        except BaseException:
            self.abort()
            raise

    def _expect_server(self):
        self._next_of_server = asyncio.ensure_future(protocol.read_packet(self.server))

    async def _from_server(self):
        packet = await self._next_of_server
        if packet is not None:
            self._expect_server()
        return packet

    async def _send(self, writer, data):
        await self.proxy._flowing.wait()
        rate = self.proxy.bytes_per_second
        step = max(1, int(rate / 20)) if rate else len(data)
        for at in range(0, len(data), step or 1):
            part = data[at:at + step]
            writer.write(part)
            await writer.drain()
            if rate:
                await asyncio.sleep(len(part) / rate)

    async def _log_in(self):
        greeting = await self._from_server()
        if greeting is None:
            return False
        await self._send(self.to_client, protocol.plain_greeting(greeting))
        return greeting.kind != protocol.ERROR and await self._authenticate()

    async def _authenticate(self):
        """Client and server take turns until the server says yes or no."""
        while True:
            packet = await protocol.read_packet(self.client)
            if packet is None:
                return False
            await self._send(self.to_server, packet.raw)
            packet = await self._from_server()
            # "your password is in the cache": the yes follows without a word of the client
            while packet and packet.payload == b"\x01\x03":
                await self._send(self.to_client, packet.raw)
                packet = await self._from_server()
            if packet is None:
                return False
            await self._send(self.to_client, packet.raw)
            if packet.kind in (protocol.OK, protocol.ERROR):
                return packet.kind == protocol.OK

    async def _statement(self):
        """One command and its answer; False at the end of either side."""
        asked = asyncio.ensure_future(protocol.read_packet(self.client))
        await asyncio.wait({asked, self._next_of_server}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            last_words = await self._from_server()
            if last_words:
                await self._send(self.to_client, last_words.raw)
            return False
        packet = asked.result()
        if packet is None:
            return False

        command = packet.kind
        text = self._text(command, packet.payload)
        rules = []
        if text is not None:
            self.proxy.statements.append(text[:HISTORY_BYTES].decode(errors="replace"))
            rules = [rule for rule in self.proxy._rules if rule._claims(text)]
        for rule in rules:
            if await self._before(rule, packet):
                return True
        await self._send(self.to_server, packet.raw)
        if command == protocol.QUIT:
            return False
        if command == protocol.CHANGE_USER:
            answered = await self._from_server()
            if answered:
                await self._send(self.to_client, answered.raw)
            return bool(answered) and (answered.kind == protocol.OK or await self._authenticate())
        return await self._answer(command, packet, rules)

    def _text(self, command, payload):
        if command == protocol.QUERY:
            return payload[1:]
        if command in (protocol.EXECUTE, protocol.BULK_EXECUTE):
            return self.prepared.get(payload[1:5], b"")
        if command == protocol.CLOSE:
            self.prepared.pop(payload[1:5], None)
        return None

    async def _before(self, rule, packet):
        """What a rule does ahead of the server; True: the statement is dealt with."""
        if rule.action == "cut_before":
            rule._mark()
            raise _Cut
        if rule.action == "cut_request":
            self.to_server.write(packet.raw[:max(1, len(packet.raw) // 2)])
            await self.to_server.drain()
            rule._mark()
            raise _Cut
        if rule.action == "cut_during":
            await self._send(self.to_server, packet.raw)
            rule._mark()
            raise _Cut(rule.settings["linger"])
        if rule.action == "error":
            s, number = rule.settings, packet.number
            if s["within"]:
                number = await self._relay_first(rule._statements_before(packet.payload[1:]), number)
            if s["rollback"]:
                await self._send(self.to_server, protocol.command_packet(protocol.QUERY, b"ROLLBACK"))
                await self._from_server()
            await self._send(self.to_client, protocol.error_packet(number + 1, s["code"], s["state"], s["text"]))
            rule._mark()
            return True
        if not rule.settings.get("after", True):
            await self._pause(rule)
        return False

    async def _relay_first(self, text, number):
        """Has the server carry these statements out, none of which returns rows, and passes its answers on as the first of several.
        Returns the last one's number."""
        if not text:
            return number
        await self._send(self.to_server, protocol.command_packet(protocol.QUERY, text))
        async for part in protocol.answer(protocol.QUERY, self._from_server, self._relay_file):
            if part is None or part.kind != protocol.OK:
                raise _Cut
            await self._send(self.to_client, protocol.with_more_results(part.raw))
            number = part.number
        return number

    async def _pause(self, rule):
        rule._mark()
        if rule.action == "delay":
            await asyncio.sleep(rule.settings["seconds"])
        while rule.action == "hold" and not rule._released.is_set():
            await asyncio.sleep(0.005)

    async def _answer(self, command, packet, rules):
        if self.proxy.latency_seconds:
            await asyncio.sleep(self.proxy.latency_seconds)
        first = True
        late = [rule for rule in rules if rule.action in ("cut_after", "cut_answer") or rule.settings.get("after")]
        kept = []
        async for part in protocol.answer(command, self._from_server, self._relay_file):
            if part is None:
                return False
            if first and command == protocol.PREPARE and part.kind == protocol.OK:
                self.prepared[part.payload[1:5]] = packet.payload[1:]
            first = False
            if late:
                kept.append(part.raw)
            else:
                await self._send(self.to_client, part.raw)
        for rule in late:
            if rule.action == "cut_after":
                rule._mark()
                raise _Cut(rule.settings["linger"])
            if rule.action == "cut_answer":
                await self._send(self.to_client, b"".join(kept)[:rule.settings["after_bytes"]])
                rule._mark()
                raise _Cut
            await self._pause(rule)
        if kept:
            await self._send(self.to_client, b"".join(kept))
        return True

    async def _relay_file(self):
        while True:
            part = await protocol.read_packet(self.client)
            if part is None:
                return
            await self._send(self.to_server, part.raw)
            if not part.payload:
                return


COMMANDS = ("cut_before", "cut_request", "cut_during", "cut_after", "cut_answer", "error", "delay", "hold", "freeze", "thaw", "latency",
            "throttle", "refuse", "accept", "drop", "drop_lingering", "clear", "stats")


def _do(proxy, line):
    """Carries out a line such as `cut_before COMMIT nth=3`; says what is wrong with it instead of ending."""
    def number(word):
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(word)
        return {"true": True, "false": False}.get(word, word)
    try:
        name, *words = shlex.split(line)
        if name not in COMMANDS:
            raise ValueError(f"no command {name}: {', '.join(COMMANDS)}")
        # An SQLSTATE is text even where it looks like a number.
        given = [word if name == "error" and at in (1, 2, 3) else number(word) for at, word in enumerate(words) if "=" not in word]
        named = {key: number(value) for key, _, value in (word.partition("=") for word in words if "=" in word)}
        answer = getattr(proxy, name)(*given, **named)
        print(answer if isinstance(answer, str) else "ok", flush=True)
    except (TypeError, ValueError, re.error) as error:
        print(error, file=sys.stderr, flush=True)


def main():
    options = argparse.ArgumentParser(description="A MySQL proxy that loses, delays, holds and forges.")
    options.add_argument("target", metavar="HOST:PORT")
    options.add_argument("--listen", type=int, default=0, metavar="PORT")
    options.add_argument("--do", action="append", default=[], metavar="COMMAND", help="as on stdin: " + ", ".join(COMMANDS))
    given = options.parse_args()
    host, _, port = given.target.rpartition(":")
    with MysqlProxy(host, int(port), given.listen) as proxy:
        print(f"127.0.0.1:{proxy.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            for line in given.do:
                _do(proxy, line)
            for line in sys.stdin:
                if line.strip():
                    _do(proxy, line)
            # The end of stdin is not the end: it may have been /dev/null.
            threading.Event().wait()


if __name__ == "__main__":
    main()
