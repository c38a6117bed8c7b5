"""One HTTP/1.1 connection: requests out, replies in, bytes of disks either way with back-pressure. Parsing is httptools'.

May not know what the bytes mean.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httptools

BUFFERED_BYTES = 1 << 20
"""Of a reply that is read as a stream: above it, the peer is asked to wait."""


KEPT_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""A host that is dead is noticed within two minutes, however long its answer may take."""


class ConnectionBroken(Exception):
    """The peer went away, or sent what is not HTTP, in the middle of an exchange."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. After a whole reply ``is_reusable`` says whether the next one may follow."""

    __slots__ = (
        "_buffered",
        "_is_kept",
        "_loop",
        "_parser",
        "_parts",
        "_reason",
        "_transport",
        "_waiter",
        "_writable",
        "content_type",
        "idle_since_s",
        "is_broken",
        "is_complete",
        "is_head_read",
        "is_until_close",
        "location",
        "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._writable = True
        self._reason = "the connection was closed"
        self.is_broken = False
        self.idle_since_s = 0.0
        self._begin()

    # ---- what a caller does ------------------------------------------------------------------------------------------------

    async def exchange(self, request: bytes) -> bytes:
        """Send a whole request and return the whole body of the reply; ConnectionBroken when it ends early."""
        await self.ask(request)
        return b"".join([part async for part in self.body()])

    async def ask(self, request: bytes) -> None:
        """Send a whole request and wait for the reply's head."""
        self._begin()
        self._write(request)
        await self._until_head()

    async def send(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        """Send a request whose body comes in chunks, then wait for the reply's head. A refusal on the way ends the sending.

        XAPI may answer 200 before it has read the body, and then goes on reading.
        """
        self._begin()
        self._write(head)
        async for chunk in chunks:
            if self.is_head_read and self.status >= 300:
                return
            self._write(chunk)
            while not self._writable and not self.is_broken:
                await self._changed()
        await self._until_head()

    async def body(self) -> AsyncIterator[bytes]:
        """The parts of the reply's body as they come."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._take(len(part))
                yield part
            if self.is_complete:
                return
            self._check()
            await self._changed()

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange is over, and the peer keeps the connection."""
        return self.is_complete and self._is_kept and not self.is_broken

    def close(self) -> None:
        """Drop the connection: after a whole exchange once all is sent, otherwise at once."""
        if self.is_complete and not self.is_broken:
            self._transport.close()
        else:
            self._transport.abort()

    # ---- inside ------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parts: deque[bytes] = deque()
        self._buffered = 0
        self.status = 0
        self.content_type = ""
        self.location = ""
        self.is_head_read = self.is_complete = self._is_kept = False
        self.is_until_close = True

    def _write(self, piece: bytes) -> None:
        self._check()
        self._transport.write(piece)

    async def _until_head(self) -> None:
        while not self.is_head_read:
            self._check()
            await self._changed()

    async def _changed(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check(self) -> None:
        if self.is_broken:
            raise ConnectionBroken(self._reason)

    def _break(self, reason: str) -> None:
        self.is_broken = True
        self._reason = reason
        self._wake()

    def _take(self, count: int) -> None:
        was_full = self._buffered > BUFFERED_BYTES
        self._buffered -= count
        if was_full and self._buffered <= BUFFERED_BYTES and not self.is_broken:
            self._transport.resume_reading()

    # ---- asyncio calls these -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast("asyncio.Transport", transport)
        wire = transport.get_extra_info("socket")
        for level, option, value in KEPT_ALIVE if wire is not None else ():
            wire.setsockopt(level, option, value)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._break(f"the reply is not HTTP: {problem}")
            self.close()
            return
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol. A reply without a length ends here, and is whole."""
        if self.is_head_read and self.is_until_close and exc is None:
            self.is_complete = True
        self._break(str(exc) if exc else "the peer closed the connection")

    def pause_writing(self) -> None:
        """Part of asyncio's protocol."""
        self._writable = False

    def resume_writing(self) -> None:
        """Part of asyncio's protocol."""
        self._writable = True
        self._wake()

    # ---- httptools calls these -----------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Part of httptools' protocol."""
        lower = name.lower()
        if lower == b"content-type":
            self.content_type = value.decode("latin-1").partition(";")[0].strip().lower()
        elif lower == b"location":
            self.location = value.decode("latin-1")
        elif lower in {b"content-length", b"transfer-encoding"}:
            self.is_until_close = False

    def on_headers_complete(self) -> None:
        """Part of httptools' protocol."""
        self.status = self._parser.get_status_code()
        self.is_head_read = True

    def on_body(self, body: bytes) -> None:
        """Part of httptools' protocol."""
        self._parts.append(body)
        self._buffered += len(body)
        if self._buffered > BUFFERED_BYTES:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Part of httptools' protocol."""
        self.is_complete = True
        self._is_kept = self._parser.should_keep_alive()
