"""Whether a stream of bytes is a VHD that a host can take: footer, header and block allocation table, checked as they pass by.

Knows Microsoft's "Virtual Hard Disk Image Format Specification" and nothing of images, files or hosts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from compute_core.model.errors import BadImage

SECTOR = 512
UNALLOCATED = 0xFFFFFFFF
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
MAX_BLOCKS = 1 << 20
"""2 TiB in blocks of 2 MiB, the format's own limit."""
MAX_TABLE_OFFSET = 16 << 20
"""No writer puts the table so far away; the limit bounds what is kept in memory while a disk passes by."""

_FOOTER = struct.Struct(">8s8xQ24xQ4xII")
_HEADER = struct.Struct(">8s8xQ4xIII")
_HEADER_BYTES = 1024
_FOOTER_CHECKSUM_AT, _HEADER_CHECKSUM_AT = 64, 36


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer says. ``size_bytes`` is the size of the virtual disk, ``header_offset`` where a dynamic one's header is."""

    header_offset: int
    size_bytes: int
    disk_type: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a dynamic disk says."""

    table_offset: int
    blocks: int
    block_bytes: int

    @property
    def table_end(self) -> int:
        """Where the block allocation table ends."""
        return self.table_offset + 4 * self.blocks

    @property
    def stored_bytes(self) -> int:
        """What a block takes in the file: a bitmap of its sectors, in whole sectors, and its bytes."""
        bitmap_bytes = self.block_bytes // SECTOR // 8
        return self.block_bytes + -(-bitmap_bytes // SECTOR) * SECTOR


def checksum(sectors: bytes, field_at: int) -> int:
    """The one's complement of the sum of all bytes without the checksum's own four."""
    return ~(sum(sectors) - sum(sectors[field_at : field_at + 4])) & 0xFFFFFFFF


def read_footer(sector: bytes, where: str) -> Footer:
    """Decode and check a footer; ``where`` names it in the refusal."""
    if len(sector) != SECTOR or sector[:8] != b"conectix":
        raise BadImage(f"Not a VHD: no footer at the {where} of the file.")
    _, header_offset, size_bytes, disk_type, expected = _FOOTER.unpack_from(sector)
    if expected != checksum(sector, _FOOTER_CHECKSUM_AT):
        raise BadImage(f"Damaged VHD: wrong checksum of the footer at the {where} of the file.")
    return Footer(header_offset, size_bytes, disk_type)


def read_header(sectors: bytes) -> Header:
    """Decode and check the header of a dynamic disk."""
    cookie, table_offset, blocks, block_bytes, expected = _HEADER.unpack_from(sectors)
    if cookie != b"cxsparse" or expected != checksum(sectors, _HEADER_CHECKSUM_AT):
        raise BadImage("Damaged VHD: no valid header where the footer points to.")
    if blocks > MAX_BLOCKS or table_offset > MAX_TABLE_OFFSET or block_bytes < SECTOR or block_bytes % SECTOR:
        raise BadImage(f"Damaged VHD: a table of {blocks} blocks of {block_bytes} bytes at {table_offset} cannot be.")
    return Header(table_offset, blocks, block_bytes)


def check_table(table: bytes, header: Header, file_bytes: int) -> None:
    """Every block lies between the table and the last footer, and no two overlap."""
    sectors = sorted(sector for (sector,) in struct.iter_unpack(">I", table) if sector != UNALLOCATED)
    free_from, limit = header.table_end, file_bytes - SECTOR
    for sector in sectors:
        if sector * SECTOR < free_from:
            raise BadImage(f"Damaged VHD: the block at sector {sector} overlaps what lies before it.")
        free_from = sector * SECTOR + header.stored_bytes
    if free_from > limit and sectors:
        raise BadImage(f"Truncated VHD: a block ends at byte {free_from}, the file holds {file_bytes} bytes.")


@dataclass(slots=True)
class VhdCheck:
    """Feed it all chunks of a file in order, then ask ``finish``. Keeps the metadata at the front and the last sector, no more."""

    _head: bytearray = field(default_factory=bytearray)
    _tail: bytes = b""
    _wanted: int = SECTOR
    _file_bytes: int = 0
    _header: Header | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; BadImage as soon as it is certain."""
        self._file_bytes += len(chunk)
        self._tail = (self._tail + chunk[-SECTOR:])[-SECTOR:]
        if len(self._head) < self._wanted:
            self._head += chunk
            self._read_head()

    def finish(self) -> int:
        """The size of the virtual disk in bytes, when the file was a whole VHD; BadImage otherwise."""
        footer = read_footer(self._tail, "end")
        if footer.disk_type == FIXED:
            return self._finish_fixed(footer)
        if self._header is None or len(self._head) < self._header.table_end:
            raise BadImage("Truncated VHD: the file ends before its block allocation table does.")
        if self._header.blocks * self._header.block_bytes < footer.size_bytes:
            raise BadImage("Damaged VHD: the block allocation table is too short for the disk.")
        check_table(bytes(self._head[self._header.table_offset : self._header.table_end]), self._header, self._file_bytes)
        return footer.size_bytes

    def _finish_fixed(self, footer: Footer) -> int:
        if self._file_bytes != footer.size_bytes + SECTOR:
            raise BadImage(f"Truncated VHD: a fixed disk of {footer.size_bytes} bytes in a file of {self._file_bytes}.")
        return footer.size_bytes

    def _read_head(self) -> None:
        if len(self._head) < SECTOR or self._header is not None:
            return
        if self._head[:8] != b"conectix":  # A fixed disk begins with its content: the footer at the end decides.
            self._wanted = 0
            return
        footer = read_footer(bytes(self._head[:SECTOR]), "beginning")
        if footer.disk_type == DIFFERENCING:
            raise BadImage("A VHD that needs a parent is no image: coalesce it first (vhd-util coalesce, qemu-img convert).")
        if footer.disk_type == DYNAMIC:
            self._read_dynamic(footer)

    def _read_dynamic(self, footer: Footer) -> None:
        if footer.header_offset > MAX_TABLE_OFFSET:
            raise BadImage("Damaged VHD: the footer points nowhere.")
        header_end = footer.header_offset + _HEADER_BYTES
        self._wanted = header_end
        if len(self._head) >= header_end:
            self._header = read_header(bytes(self._head[footer.header_offset : header_end]))
            self._wanted = self._header.table_end
