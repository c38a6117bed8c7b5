"""A disk on its way from one host to another, as a VHD stream whose length is known before its last byte has come.

XAPI says of no export how long it will be, and takes no import whose length it is not told. The table at the head of a VHD says where
its last block ends; all that is kept in memory is that head.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from compute_core.images.vhd import DIFFERENCING, FIXED, MAX_TABLE_OFFSET, SECTOR, UNALLOCATED, Header, read_footer, read_header
from compute_core.model.errors import BadImage
from compute_core.xenapi.errors import TransferFailed

HEADER_BYTES = 1024
MOST_WITHOUT_BLOCKS = 1 << 20
"""What a VHD without a single block may hold behind its table: padding, and the name of a parent."""


@dataclass(frozen=True, slots=True)
class Stream:
    """``length`` bytes, as ``chunks``; a stream that turns out otherwise raises TransferFailed before its end.

    ``needs_parent``: it holds only what has changed since another disk.
    """

    length: int
    chunks: AsyncIterator[bytes]
    needs_parent: bool = False


async def measured(chunks: AsyncIterator[bytes], what: str) -> Stream:
    """The stream of a VHD with its length. TransferFailed for what is no VHD; ``what`` names it."""
    head = _Head(chunks)
    try:
        footer = read_footer(await head.first(SECTOR), "beginning")
        if footer.disk_type == FIXED or footer.header_offset > MAX_TABLE_OFFSET:
            raise TransferFailed(f"{what} comes in a form of VHD that cannot be measured")
        begin = footer.header_offset
        header = read_header((await head.first(begin + HEADER_BYTES))[begin:])
        table = (await head.first(header.table_end))[header.table_offset :]
    except BadImage as problem:
        raise TransferFailed(f"{what}: {problem.message}") from problem
    length = _length(table, header)
    if length is None:
        length = await head.whole(MOST_WITHOUT_BLOCKS, what)
    return Stream(length, _checked(head.all(), length, what), footer.disk_type == DIFFERENCING)


def _length(table: bytes, header: Header) -> int | None:
    """To the end of the last block and the footer behind it; None when no block says where that is."""
    last = max((sector for (sector,) in struct.iter_unpack(">I", table) if sector != UNALLOCATED), default=None)
    return None if last is None else last * SECTOR + header.stored_bytes + SECTOR


class _Head:
    """The beginning of a stream, as far as it has been looked at, and the rest behind it."""

    __slots__ = ("_chunks", "_seen")

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._seen = bytearray()

    async def first(self, count: int) -> bytes:
        """The first bytes. BadImage when there are fewer."""
        while len(self._seen) < count:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                raise BadImage(f"Truncated VHD: it ends after {len(self._seen)} bytes.")
            self._seen += chunk
        return bytes(self._seen[:count])

    async def whole(self, most: int, what: str) -> int:
        """Take in all that comes; its length."""
        async for chunk in self._chunks:
            self._seen += chunk
            if len(self._seen) > most:
                raise TransferFailed(f"{what} has more behind its table than the table says")
        return len(self._seen)

    async def all(self) -> AsyncIterator[bytes]:
        """Everything, from the first byte."""
        yield bytes(self._seen)
        async for chunk in self._chunks:
            yield chunk


async def _checked(chunks: AsyncIterator[bytes], length: int, what: str) -> AsyncIterator[bytes]:
    """The chunks, the last one held back until the count is right: nobody takes a disk for whole that is not."""
    count, held = 0, b""
    async for chunk in chunks:
        count += len(chunk)
        if held:
            yield held
        held = chunk
    if count != length:
        raise TransferFailed(f"{what} came as {count} bytes, its table promises {length}")
    yield held
