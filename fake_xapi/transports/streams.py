"""Bodies that are never in memory as a whole: what a client sends, read at our pace; what we send, at the client's.

May not know who sends what.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from fake_xapi.transports.http_replies import HTML, page, reply_head

HIGH_WATER_BYTES = 4 << 20
"""How much of a body waits in memory before its sender has to."""


class BodyLost(ConnectionError):
    """The client went away, or went silent, in the middle of a body."""


class BodyStream(AsyncIterator[bytes]):
    """The body of a request as it arrives. ``pause`` and ``resume`` hold and release the sender."""

    def __init__(self, length: int | None, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.length = length
        self.is_complete = False
        self._ask_for_it: Callable[[], None] | None = None
        self._pause = pause
        self._resume = resume
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._error: BodyLost | None = None
        self._arrival: asyncio.Future[None] | None = None

    def on_first_read(self, ask_for_it: Callable[[], None]) -> None:
        """Call this when somebody begins to read: the client waits to be asked."""
        self._ask_for_it = ask_for_it

    def feed(self, piece: bytes) -> None:
        """More of the body."""
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes > HIGH_WATER_BYTES:
            self._pause()
        self._wake()

    def end(self) -> None:
        """That was all of it."""
        self.is_complete = True
        self._wake()

    def lose(self, error: BodyLost) -> None:
        """The rest will not come; what came can still be read."""
        if not self.is_complete and self._error is None:
            self._error = error
            self._wake()

    async def __anext__(self) -> bytes:
        if self._ask_for_it is not None:
            self._ask_for_it()
            self._ask_for_it = None
        while not self._pieces:
            if self.is_complete:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._take()

    def _take(self) -> bytes:
        piece = self._pieces.popleft()
        was_high = self._waiting_bytes > HIGH_WATER_BYTES
        self._waiting_bytes -= len(piece)
        if was_high and self._waiting_bytes <= HIGH_WATER_BYTES:
            self._resume()
        return piece

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class ReplyStream:
    """The reply of a transfer. ``drained`` gives a future to wait for before more is written."""

    def __init__(self, transport: asyncio.WriteTransport, drained: Callable[[], asyncio.Future[None] | None], *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.is_started = False
        self._transport = transport
        self._drained = drained

    def start(self, status: int, headers: Iterable[tuple[str, str]], length: int) -> None:
        """Send the head; exactly ``length`` bytes have to follow."""
        self.is_started = True
        self._transport.write(reply_head(status, headers, keep_alive=self.keep_alive, length=length))

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body, and wait while the client is slow. ConnectionError when it is gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.write(piece)
        drained = self._drained()
        if drained is not None:
            await drained

    def answer(self, status: int, text: str = "", headers: Iterable[tuple[str, str]] = (), *, has_page: bool = True) -> None:
        """Send a whole reply: an empty one, or a page for people."""
        body = page(status, text) if has_page else b""
        self.is_started = True
        head = reply_head(status, (HTML, *headers) if has_page else headers, keep_alive=self.keep_alive, length=len(body))
        self._transport.write(head + body)
