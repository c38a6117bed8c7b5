"""A stream of pieces read by number of bytes: what an archive's reader needs of a body whose pieces come as they come.

May not know what the bytes are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator


class PrematureEnd(EOFError):
    """The stream ended before it was through."""


class ByteReader:
    """Reads from the front of a stream, holding no more than a piece of it."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    async def some(self, most: int) -> bytes:
        """The next bytes, at least one and at most so many; PrematureEnd when there are none."""
        while not self._rest:
            try:
                self._rest = await anext(self._pieces)
            except StopAsyncIteration:
                raise PrematureEnd from None
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    async def exactly(self, count: int) -> bytes:
        """So many bytes; PrematureEnd when there are less."""
        pieces: list[bytes] = []
        while count:
            pieces.append(await self.some(count))
            count -= len(pieces[-1])
        return b"".join(pieces)

    async def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        while count:
            count -= len(await self.some(count))

    async def drain(self) -> None:
        """Pass over all that is left."""
        self._rest = b""
        async for _ in self._pieces:
            pass
