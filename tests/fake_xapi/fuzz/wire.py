"""Bytes on a connection: heads, bodies and frames that are cut, doubled, swapped and made up, to a server without a socket.

``Wire`` is a connection of the real server over a transport in memory, on virtual time.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import re
from typing import Any

from fake_xapi.engine.virtual_time import VirtualTimeLoop
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.connection import Connection, Limits, Site
from fake_xapi.transports.handlers import HANDLERS
from fake_xapi.transports.http import CODECS
from tests.fake_xapi.fuzz.judging import LEAKS, listening
from tests.fake_xapi.fuzz.limits import no_longer_than
from tests.fake_xapi.fuzz.mutating import mutated
from tests.fake_xapi.fuzz.values import HOSTILE_TEXTS
from tests.fake_xapi.fuzz.writing import written

METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"CONNECT",
    b"TRACE",
    b"PATCH",
    b"get",
    b"PRI",
    b"\x16\x03\x01",
    b"M-SEARCH",
    b"",
)
HEADERS = (
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length: 0x5", b"Content-Length: 99999999999999999999", b"Content-Length: \xd9\xa1", b"Content-Length:", b"content-length : 5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: xchunked", b"Expect: 100-continue", b"Expect: 200-ok", b"Connection: close",
    b"Connection: keep-alive, Upgrade", b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Upgrade: TLS/1.3",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Key: \xff\xfe", b"Sec-WebSocket-Version: 13", b"Host: x",
    b"Host: x\r\nHost: y", b"Content-Encoding: gzip", b"Cookie: session_id=x", b"Cookie: " + b"a=b; " * 400, b"Cookie: pool_secret=x",
    b"Authorization: Basic cm9vdDp4ZW5yb290", b"Authorization: Basic \xff", b"Authorization: Basic", b"Authorization: Bearer x",
    b" folded: yes", b"no colon", b"\x00: x", b"X: " + b"y" * 5000, b"Range: bytes=0-,-1", b"X: \x00\x01", b"Accept: application/json",
)  # fmt: skip
CHUNKS = (
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"-1\r\n",
    b"5;ext=x\r\nhello\r\n",
    b"zz\r\n",
    b"5\r\nhel",
    b"0\r\nTrailer: x\r\n\r\n",
    b"\r\n",
)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z' -]+\r\n((?:[A-Za-z-]+: [^\r\n\x00]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"(?:^|\r\n)Content-Length: (\d+)\r\n")


class MemoryTransport(asyncio.Transport):
    """What a connection writes, kept; nothing is read from anywhere."""

    def __init__(self, address: str) -> None:
        super().__init__({"sockname": (address, 80), "peername": ("127.0.0.1", 1)})
        self.written = bytearray()
        self.is_closed = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nothing more is written."""

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """A sender that does not care."""

    def resume_reading(self) -> None:
        """As above."""

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Wire:
    """Sends bytes to a fleet's hosts as one client after another."""

    def __init__(self, fleet: Fleet) -> None:
        self.site = Site(fleet, CODECS, HANDLERS, Limits())
        self._address = next(iter(fleet.sites())).address

    async def answer(self, pieces: list[bytes], patience_s: float = 3600.0) -> bytes:
        """All that is answered to the pieces of one connection, which the client then ends."""
        transport = MemoryTransport(self._address)
        connection = Connection(self.site, asyncio.get_running_loop())
        transport.protocol = connection
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.is_closed:
                connection.data_received(piece)
            await asyncio.sleep(0)
        if self.site.tasks:
            await asyncio.wait(set(self.site.tasks), timeout=patience_s)
        if not transport.is_closed:
            connection.eof_received()
        transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
        return bytes(transport.written)


def complaint(answer: bytes, heads: bool = False) -> str:
    """What is wrong with the bytes that a connection answered: they are replies, one behind the other, that do not speak of our insides."""
    left = answer
    while left:
        found = _STATUS.match(left)
        if found is None:
            return f"no reply: {left[:200]!r}"
        status, headers = int(found[1]), found[2]
        length = _LENGTH.search(b"\r\n" + headers)
        if status == 101:
            return ""
        size = 0 if status == 100 else int(length[1]) if length else len(left) - found.end()
        if heads and (found.end() == len(left) or left.startswith(b"HTTP/1.1 ", found.end())):
            size = 0
        body = left[found.end() : found.end() + size]
        if status >= 400 and (leak := LEAKS.search((headers + body[:5000]).decode("latin-1"))):
            return f"{leak[0]!r} leaks in {left[:400]!r}"
        if len(body) < size:
            return f"{status} breaks off after {len(body)} of {size} bytes"
        left = left[found.end() + size :]
    return ""


def request(chance: random.Random, paths: list[bytes], body: bytes) -> bytes:
    """A request, more or less."""
    draw = chance.random()
    if draw < 0.05:
        return chance.randbytes(chance.randrange(200))
    path = chance.choice(paths) if draw < 0.8 else chance.choice(HOSTILE_TEXTS).encode("utf-8", "replace")[:3000]
    query = b"&".join(
        chance.choice((b"session_id", b"vdi", b"uuid", b"ref", b"task_id", b"format", b"sr_id", b"a"))
        + b"="
        + chance.choice(HOSTILE_TEXTS[:70]).encode()[:200]
        for _ in range(chance.randrange(3))
    )
    line = chance.choice(METHODS[:4] if draw < 0.7 else METHODS) + b" " + path + (b"?" + query if query else b"")
    line += chance.choice((b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b" HTTP/9", b"", b" HTTP/1.1 x"))
    headers = [chance.choice(HEADERS) for _ in range(chance.randrange(4))]
    if chance.random() < 0.6:
        headers.append(b"Content-Length: %d" % (len(body) if chance.random() < 0.9 else chance.randrange(2000)))
    end = chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    if chance.random() < 0.15:
        body = b"".join(chance.choice(CHUNKS) for _ in range(chance.randrange(5)))
    if chance.random() < 0.05:
        body = gzip.compress(body)
    return end.join([line, *headers, b"", b""]) + body


class Bytes:
    """Connections with anything on them, to one host."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.complaints: list[str] = []

    def run(self, count: int) -> list[str]:
        """Open so many; the complaints."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._all(count))
        return self.complaints

    async def _all(self, count: int) -> None:
        chance = random.Random(f"bytes {self.seed}")
        fleet = Fleet(Order(vms=1))
        wire = Wire(fleet)
        lost: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: lost.append(f"{context['message']} {context.get('exception')!r}")
        )
        with listening() as ears:
            for number in range(count):
                sent = _connection(chance)
                with no_longer_than(CPU_SECONDS):
                    answer = await wire.answer(sent)
                found = complaint(answer, heads=any(word in b"".join(sent) for word in (b"HEAD", b"OPTIONS")))
                left = [f"left {wire.site.tasks}"] if wire.site.tasks or wire.site.connections else []
                self.complaints += [
                    f"{text}\n    at {self.seed} connection {number}: {sent!r:.600}" for text in (found, *ears.heard, *lost, *left) if text
                ]
                ears.heard.clear()
                lost.clear()
        await fleet.close()


def _connection(chance: random.Random) -> list[bytes]:
    """Some requests one behind the other, perhaps spoilt, in one piece or two."""
    content = b"".join(request(chance, PATHS, _body(chance)) for _ in range(chance.choice((1, 1, 2, 5))))
    if chance.random() < 0.3:
        content = mutated(chance, content)
    cut = chance.randrange(len(content) + 1) if chance.random() < 0.3 else 0
    return [content[:cut], content[cut:]] if cut else [content]


def _body(chance: random.Random) -> bytes:
    body = chance.choice(BODIES)
    return mutated(chance, body) if chance.random() < 0.5 else body


CPU_SECONDS = 5
PATHS = [path for _, path in HANDLERS] + [path.encode() for path in CODECS] * 3
BODIES = (
    written("xml", "VM.get_all", ["s"]),
    written("json", "VM.get_all", ["s"]),
    written("xml", "session.login_with_password", ["root", "xenroot"]),
    b"hello",
    b"",
)
