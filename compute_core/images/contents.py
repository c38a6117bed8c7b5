"""Disks in files, to be read block by block: a raw one, whose zeros are left out, and a chain of VHDs, seen as its guest sees it.

Memory holds one block and the tables, whatever the size of the disk. The files have been checked before (``dom0.chain``).
"""

from __future__ import annotations

import array
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from compute_core.images.vhd import FIXED, SECTOR, UNALLOCATED, Header, read_footer, read_header
from compute_core.images.vhd_write import BLOCK_BYTES

_HEADER_BYTES = 1024
_NOTHING = bytes(BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class RawContent:
    """The first ``size_bytes`` of a file, which may have holes."""

    path: Path
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> RawContent:
        """All of a file."""
        return cls(path, path.stat().st_size)

    def numbers(self) -> Sequence[int]:
        """Those that are not all zeros: every one that is no hole is read."""
        with self.path.open("rb") as file:
            return [number for number in _stored(file, self.size_bytes) if _read(file, number, self.size_bytes) != _NOTHING]

    def block(self, number: int) -> bytes:
        """See Content."""
        with self.path.open("rb") as file:
            return _read(file, number, self.size_bytes)


def _stored(file: BinaryIO, size_bytes: int) -> Iterator[int]:
    """The blocks that a file system holds of a file."""
    number, last = 0, -(-size_bytes // BLOCK_BYTES)
    while number < last:
        try:
            found = os.lseek(file.fileno(), number * BLOCK_BYTES, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole behind it
            return
        number = max(number, found // BLOCK_BYTES)
        if number < last:
            yield number
        number += 1


def _read(file: BinaryIO, number: int, size_bytes: int) -> bytes:
    begin = number * BLOCK_BYTES
    file.seek(begin)
    return file.read(min(BLOCK_BYTES, size_bytes - begin)).ljust(BLOCK_BYTES, b"\0")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One VHD of a chain. ``header`` is None of a fixed one."""

    path: Path
    size_bytes: int
    header: Header | None
    table: Sequence[int]

    def numbers(self) -> Iterator[int]:
        """The blocks, of BLOCK_BYTES, of which it has something."""
        if self.header is None:
            yield from RawContent(self.path, self.size_bytes).numbers()
            return
        own = self.header.block_bytes
        for index, sector in enumerate(self.table):
            if sector != UNALLOCATED:
                yield from range(index * own // BLOCK_BYTES, -(-(index + 1) * own // BLOCK_BYTES))

    def paint(self, canvas: bytearray, begin: int) -> None:
        """Lay what it has over the bytes from ``begin`` on."""
        with self.path.open("rb") as file:
            if self.header is None:
                file.seek(begin)
                seen = file.read(max(min(len(canvas), self.size_bytes - begin), 0))
                canvas[: len(seen)] = seen
                return
            own = self.header.block_bytes
            for index in range(begin // own, min(-(-(begin + len(canvas)) // own), len(self.table))):
                if self.table[index] != UNALLOCATED:
                    self._paint_block(file, self.header, canvas, index, begin)

    def _paint_block(self, file: BinaryIO, header: Header, canvas: bytearray, index: int, begin: int) -> None:
        own, bitmap_bytes = header.block_bytes, header.stored_bytes - header.block_bytes
        file.seek(self.table[index] * SECTOR)
        stored = file.read(bitmap_bytes + own)
        bitmap, block = stored[:bitmap_bytes], stored[bitmap_bytes:].ljust(own, b"\0")
        for first, last in _runs(bitmap, own // SECTOR):
            low, high = max(index * own + first * SECTOR, begin), min(index * own + last * SECTOR, begin + len(canvas))
            if low < high:
                canvas[low - begin : high - begin] = block[low - index * own : high - index * own]


def _runs(bitmap: bytes, sectors: int) -> Iterator[tuple[int, int]]:
    """Where the bits of the first ``sectors`` sectors are set, from and to."""
    if bitmap.startswith(b"\xff" * (sectors // 8)):
        yield 0, sectors
        return
    begin = -1
    for sector in range(sectors + 1):
        is_set = sector < sectors and bool(bitmap[sector >> 3] & 0x80 >> (sector & 7))
        if is_set and begin < 0:
            begin = sector
        elif not is_set and begin >= 0:
            yield begin, sector
            begin = -1


class ChainContent:
    """A chain of VHDs in files, the leaf first: one disk, as large as the leaf says."""

    __slots__ = ("_layers",)

    def __init__(self, paths: Sequence[Path]) -> None:
        self._layers = [_layer(path) for path in paths]

    @property
    def size_bytes(self) -> int:
        """See Content."""
        return self._layers[0].size_bytes

    def numbers(self) -> Sequence[int]:
        """Those that any layer has."""
        last = -(-self.size_bytes // BLOCK_BYTES)
        return sorted({number for layer in self._layers for number in layer.numbers() if number < last})

    def block(self, number: int) -> bytes:
        """The base first, then what each layer above it has changed."""
        canvas, begin = bytearray(BLOCK_BYTES), number * BLOCK_BYTES
        for layer in reversed(self._layers):
            layer.paint(canvas, begin)
        beyond = max(begin + BLOCK_BYTES - self.size_bytes, 0)  # a parent may be larger than the disk that was made on it
        if beyond:
            canvas[BLOCK_BYTES - beyond :] = bytes(beyond)
        return bytes(canvas)


def _layer(path: Path) -> _Layer:
    with path.open("rb") as file:
        file.seek(-SECTOR, os.SEEK_END)
        footer = read_footer(file.read(SECTOR), "end")
        if footer.disk_type == FIXED:
            return _Layer(path, footer.size_bytes, None, ())
        file.seek(footer.header_offset)
        header = read_header(file.read(_HEADER_BYTES))
        file.seek(header.table_offset)
        table = array.array("I", file.read(4 * header.blocks))
    if sys.byteorder == "little":
        table.byteswap()
    return _Layer(path, footer.size_bytes, header, table)
