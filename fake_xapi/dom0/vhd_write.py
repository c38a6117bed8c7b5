"""Writes a VHD as a stream: a whole disk as a dynamic one, what changed since another disk as a differencing one.

May not know where the bytes go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from fake_xapi.dom0.vhd import BLOCK_BYTES, FOOTER_BYTES, HEADER_BYTES, SECTOR, UNUSED, Footer, Header, blocks_of

_TABLE_OFFSET = FOOTER_BYTES + HEADER_BYTES
_PAGE = 4096
_LOCATOR = struct.Struct(">4sIIIQ")
_BITMAP = b"\xff" * SECTOR
"""All sectors of a block are there: the smallest unit that a disk keeps is a block."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The disk that a differencing one builds upon; ``name`` is its file's."""

    uuid: UUID
    name: str


@dataclass(frozen=True, slots=True)
class VhdImage:
    """An image to be written: the numbers of its blocks in order, and who knows their bytes (always 2 MiB)."""

    size: int
    uuid: UUID
    blocks: Sequence[int]
    block: Callable[[int], bytes]
    parent: Parent | None = None
    is_hidden: bool = False

    def __len__(self) -> int:
        return self._blocks_offset() + len(self.blocks) * (SECTOR + BLOCK_BYTES) + FOOTER_BYTES

    def pieces(self) -> Iterator[bytes]:
        """The bytes, at most a block at a time."""
        footer = Footer(self.size, "differencing" if self.parent else "dynamic", self.uuid, FOOTER_BYTES, is_hidden=self.is_hidden).pack()
        yield footer + self._header().pack() + self._table() + self._locator_data()
        for number in self.blocks:
            yield _BITMAP
            yield self.block(number)
        yield footer

    def _header(self) -> Header:
        entries = blocks_of(self.size)
        if self.parent is None:
            return Header(_TABLE_OFFSET, entries)
        name = self._locator_name()
        locator = _LOCATOR.pack(b"W2ru", SECTOR, len(name), 0, self._locator_offset())
        return Header(_TABLE_OFFSET, entries, BLOCK_BYTES, self.parent.uuid, self.parent.name, locator)

    def _table(self) -> bytes:
        """The BAT, filled up to whole sectors."""
        entries = [UNUSED] * (self._table_bytes() // 4)
        sector = self._blocks_offset() // SECTOR
        for place, number in enumerate(self.blocks):
            entries[number] = sector + place * (SECTOR + BLOCK_BYTES) // SECTOR
        return struct.pack(f">{len(entries)}I", *entries)

    def _table_bytes(self) -> int:
        return -(-4 * blocks_of(self.size) // SECTOR) * SECTOR

    def _locator_offset(self) -> int:
        return _TABLE_OFFSET + self._table_bytes()

    def _locator_name(self) -> bytes:
        return f".\\{self.parent.name}".encode("utf-16-le") if self.parent else b""

    def _locator_data(self) -> bytes:
        """The parent's name, filled up to the first block."""
        return self._locator_name().ljust(self._blocks_offset() - self._locator_offset(), b"\0")

    def _blocks_offset(self) -> int:
        """Where the first bitmap stands: such that the bytes after it begin at a page, as XenServer has it."""
        end = self._locator_offset() + len(self._locator_name())
        return -(-(end + SECTOR) // _PAGE) * _PAGE - SECTOR
