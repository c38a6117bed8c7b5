"""A request's body that is never in memory as a whole: what the client sends, read at our pace.

May not know who sends what.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

HIGH_WATER_BYTES = 4 << 20
"""How much of a body may wait in memory before its sender is paused."""


class BodyLost(ConnectionError):
    """The client went away, or fell silent, in the middle of a body."""


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
        """Register a function to call when reading begins: the client waits to be asked."""
        self._ask_for_it = ask_for_it

    def feed(self, piece: bytes) -> None:
        """Append a piece of the body."""
        was_high = self._waiting_bytes > HIGH_WATER_BYTES
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        if not was_high and self._waiting_bytes > HIGH_WATER_BYTES:
            self._pause()
        self._wake()

    def end(self) -> None:
        """Mark the body as complete."""
        self.is_complete = True
        self._wake()

    def lose(self, error: BodyLost) -> None:
        """Mark the rest as lost; what has come can still be read."""
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
