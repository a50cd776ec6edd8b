"""As much of MySQL's protocol as a proxy must know to tell where an answer ends."""

import asyncio
import struct
from dataclasses import dataclass

QUIT, QUERY, FIELD_LIST, STATISTICS, PREPARE, EXECUTE, LONG_DATA, CLOSE, FETCH = 0x01, 0x03, 0x04, 0x09, 0x16, 0x17, 0x18, 0x19, 0x1C
CHANGE_USER, BULK_EXECUTE = 0x11, 0xFA
UNANSWERED = {QUIT, LONG_DATA, CLOSE}

OK, FILE, MORE_AUTH, END, ERROR = 0x00, 0xFB, 0x01, 0xFE, 0xFF
MORE_RESULTS, CURSOR = 0x0008, 0x0040

# What a server offers and the proxy does not: it would have to look into TLS, zlib and zstd streams, and into answers that
# have other ends. Clients do without.
COMPRESS, SSL, DEPRECATE_EOF, ZSTD, QUERY_ATTRIBUTES = 1 << 5, 1 << 11, 1 << 24, 1 << 26, 1 << 27
# MariaDB's own: reports between the packets of an answer, and result sets without their columns
PROGRESS, CACHED_METADATA = 1 << 0, 1 << 4


@dataclass
class Packet:
    raw: bytes      # as on the wire, with the headers of all its parts
    payload: bytes

    @property
    def kind(self):
        return self.payload[0] if self.payload else None

    @property
    def number(self):
        """The sequence number of its last part."""
        return self.raw[-(len(self.payload) % 0xFFFFFF) - 1]


async def read_packet(reader):
    """The next packet, or None where the connection has ended. Parts of 16 MiB are put together."""
    raw, payload = [], []
    while True:
        try:
            header = await reader.readexactly(4)
            length = int.from_bytes(header[:3], "little")
            body = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        raw += (header, body)
        payload.append(body)
        if length < 0xFFFFFF:
            return Packet(b"".join(raw), b"".join(payload))


def error_packet(number, code, state, text):
    payload = struct.pack("<BH", ERROR, code) + b"#" + state.encode() + text.encode()
    return len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload


def command_packet(command, text=b""):
    payload = bytes([command]) + text
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def plain_greeting(packet):
    """The server's greeting without what the proxy cannot follow."""
    payload = bytearray(packet.payload)
    if payload[0] != 10:
        return packet.raw
    at = payload.index(0, 1) + 1 + 4 + 8 + 1
    offered = int.from_bytes(payload[at:at + 2], "little") | int.from_bytes(payload[at + 5:at + 7], "little") << 16
    # A server that does not set the first bit is a MariaDB, and has its own flags at the end of the filler.
    if not offered & 1:
        own = int.from_bytes(payload[at + 14:at + 18], "little") & ~(PROGRESS | CACHED_METADATA)
        payload[at + 14:at + 18] = own.to_bytes(4, "little")
    offered &= ~(COMPRESS | SSL | DEPRECATE_EOF | ZSTD | QUERY_ATTRIBUTES)
    payload[at:at + 2] = (offered & 0xFFFF).to_bytes(2, "little")
    payload[at + 5:at + 7] = (offered >> 16).to_bytes(2, "little")
    return packet.raw[:4] + bytes(payload)


async def answer(command, read, relay_file):
    """The packets of the answer to a command, one by one. `read` gets the server's next packet, None at its end;
    `relay_file` lets the client send the file that LOAD DATA LOCAL asks for."""
    if command in UNANSWERED:
        return
    if command == PREPARE:
        first = await read()
        yield first
        if first and first.kind == OK:
            columns, parameters = struct.unpack_from("<HH", first.payload, 5)
            for definitions in (parameters, columns):
                for _ in range(definitions + 1 if definitions else 0):
                    yield await read()
        return
    if command in (FIELD_LIST, FETCH):
        async for packet in _until_end(read):
            yield packet
        return
    if command not in (QUERY, EXECUTE, BULK_EXECUTE):
        yield await read()
        return
    more = True
    while more:
        first = await read()
        yield first
        if first is None or first.kind == ERROR:
            return
        if first.kind == FILE:
            await relay_file()
            continue
        if first.kind == OK:
            more = _status_of_ok(first.payload) & MORE_RESULTS
            continue
        for _ in ("columns", "rows"):
            async for packet in _until_end(read):
                yield packet
            if packet is None or packet.kind == ERROR:
                return
            status = struct.unpack_from("<H", packet.payload, 3)[0]
            if status & CURSOR:
                return
        more = status & MORE_RESULTS


async def _until_end(read):
    while True:
        packet = await read()
        yield packet
        if packet is None or packet.kind == ERROR or packet.kind == END and len(packet.payload) < 9:
            return


def _place_of_status(payload):
    at = 1
    for _ in ("rows", "id"):
        at += {0xFC: 3, 0xFD: 4, 0xFE: 9}.get(payload[at], 1)
    return at


def _status_of_ok(payload):
    return struct.unpack_from("<H", payload, _place_of_status(payload))[0]


def with_more_results(raw):
    """An OK packet that says that it is not the last answer."""
    changed = bytearray(raw)
    changed[4 + _place_of_status(raw[4:])] |= MORE_RESULTS
    return bytes(changed)
