"""Write a disk as a dynamic VHD: footers, header, table, and the blocks that hold something; its length is known beforehand.

Knows Microsoft's "Virtual Hard Disk Image Format Specification" and nothing of images or hosts.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from compute_core.images.vhd import DYNAMIC, SECTOR, UNALLOCATED, checksum

BLOCK_BYTES = 2 << 20
_BITMAP = b"\xff" * SECTOR
_TABLE_AT = 3 * SECTOR
_IDENTITY = b"inova, as a disk"
"""Where a uuid goes: who imports the disk gives it another."""
_MOST_SECTORS = 65535 * 16 * 255


class Content(Protocol):
    """A disk that can be read block by block."""

    @property
    def size_bytes(self) -> int:
        """Of the disk."""

    def numbers(self) -> Sequence[int]:
        """The blocks that hold something, ascending."""

    def block(self, number: int) -> bytes:
        """One of them, BLOCK_BYTES long: behind the end of the disk there are zeros."""


def length_of(size_bytes: int, blocks: int) -> int:
    """Bytes of the VHD of a disk of which so many blocks hold something."""
    return _blocks_at(size_bytes) + blocks * (SECTOR + BLOCK_BYTES) + SECTOR


def pieces_of(content: Content, numbers: Sequence[int]) -> Iterator[bytes]:
    """The VHD; ``numbers`` are ``content.numbers()``."""
    size_bytes = -(-content.size_bytes // SECTOR) * SECTOR
    count = -(-size_bytes // BLOCK_BYTES)
    table, step, begin = [UNALLOCATED] * count, (SECTOR + BLOCK_BYTES) // SECTOR, _blocks_at(size_bytes) // SECTOR
    for position, number in enumerate(numbers):
        table[number] = begin + position * step
    sealed = _footer(size_bytes)
    front = sealed + _header(count) + struct.pack(f">{count}I", *table)
    yield front.ljust(_blocks_at(size_bytes), b"\xff")
    for number in numbers:
        yield _BITMAP + content.block(number)
    yield sealed


async def streamed(content: Content, numbers: Sequence[int]) -> AsyncIterator[bytes]:
    """As ``pieces_of``; files are read in a thread."""
    pieces = pieces_of(content, numbers)
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _blocks_at(size_bytes: int) -> int:
    """Where the first block begins."""
    table_bytes = 4 * -(-size_bytes // BLOCK_BYTES)
    return _TABLE_AT + -(-table_bytes // SECTOR) * SECTOR


def _footer(size_bytes: int) -> bytes:
    cylinders, heads, sectors = _geometry(size_bytes // SECTOR)
    front = struct.pack(">8sIIQI4sI4s", b"conectix", 2, 0x10000, SECTOR, 0, b"tap", 0x10003, b"")
    back = struct.pack(">QQHBBII16s", size_bytes, size_bytes, cylinders, heads, sectors, DYNAMIC, 0, _IDENTITY)
    return _sealed((front + back).ljust(SECTOR, b"\0"), 64)


def _header(blocks: int) -> bytes:
    fields = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, _TABLE_AT, 0x10000, blocks, BLOCK_BYTES, 0)
    return _sealed(fields.ljust(2 * SECTOR, b"\0"), 36)


def _sealed(sectors: bytes, at: int) -> bytes:
    return sectors[:at] + struct.pack(">I", checksum(sectors, at)) + sectors[at + 4 :]


def _geometry(total: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track, as the specification's appendix has them."""
    total = min(total, _MOST_SECTORS)
    if total >= 65535 * 16 * 63:
        return total // 255 // 16, 16, 255
    sectors, heads = 17, max(-(-(total // 17) // 1024), 4)
    if total // 17 >= heads * 1024 or heads > 16:
        sectors, heads = 31, 16
    if total // sectors >= heads * 1024:
        sectors = 63
    return total // sectors // heads, heads, sectors
