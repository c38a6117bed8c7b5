"""Dynamic VHD files in memory, written and read according to their published format.

Supports no more than the contract needs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

SECTOR = 512
BLOCK_BYTES = 2 * 1024 * 1024
UNUSED = 0xFFFFFFFF
_DYNAMIC = 3
_HEADER_BYTES = 1024
_BITMAP_BYTES = SECTOR


def checksum(block: bytes) -> int:
    """The ones' complement of the sum of all bytes, as footer and header carry it (their own field counted as zero)."""
    return ~sum(block) & 0xFFFFFFFF


def _sealed(block: bytes, offset: int) -> bytes:
    return block[:offset] + struct.pack(">I", checksum(block)) + block[offset + 4 :]


def _footer(size: int) -> bytes:
    fields = struct.pack(
        ">8sIIQI4sI4sQQIIII16sB",
        *(b"conectix", 2, 0x00010000, SECTOR, 0, b"tap\0", 0x00010000, b"Wi2k", size, size),
        *(_geometry(size), _DYNAMIC, 0, 0, bytes(range(16)), 0),
    )
    return _sealed(fields[:64] + bytes(4) + fields[68:].ljust(SECTOR - 68, b"\0"), 64)


def _geometry(size: int) -> int:
    """Cylinders, heads and sectors of a small disk (up to 139 MiB), where 17 sectors lie on a track."""
    tracks = size // SECTOR // 17
    heads = max(4, -(-tracks // 1024))
    return tracks // heads << 16 | heads << 8 | 17


def _header(blocks: int) -> bytes:
    fields = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, SECTOR + _HEADER_BYTES, 0x00010000, blocks, BLOCK_BYTES, 0)
    return _sealed(fields.ljust(_HEADER_BYTES, b"\0"), 36)


def dynamic(size: int, blocks: Mapping[int, bytes]) -> bytes:
    """A dynamic VHD of ``size`` virtual bytes with the given blocks of 2 MiB; everything else reads as zeros."""
    count = -(-size // BLOCK_BYTES)
    table_bytes = -(-count * 4 // SECTOR) * SECTOR
    first = (SECTOR + _HEADER_BYTES + table_bytes) // SECTOR
    stride = (_BITMAP_BYTES + BLOCK_BYTES) // SECTOR
    present = sorted(blocks)
    entries = [first + present.index(number) * stride if number in blocks else UNUSED for number in range(count)]
    table = struct.pack(f">{count}I", *entries).ljust(table_bytes, b"\xff")
    body = b"".join(b"\xff" * _BITMAP_BYTES + blocks[number].ljust(BLOCK_BYTES, b"\0") for number in present)
    footer = _footer(size)
    return footer + _header(count) + table + body + footer


def contents(image: bytes) -> bytes:
    """Every byte of the virtual disk in a dynamic VHD; AssertionError for a malformed one."""
    size, block_bytes, table = _read(image)
    return b"".join(_block(image, entry, block_bytes) for entry in table)[:size]


def laid_upon(base: bytes, image: bytes) -> bytes:
    """Every byte of the virtual disk in a differencing VHD of whole blocks whose parent reads as ``base``."""
    size, block_bytes, table = _read(image)
    blocks = (
        base[n * block_bytes : (n + 1) * block_bytes] if e == UNUSED else _over(base, image, n, e, block_bytes) for n, e in enumerate(table)
    )
    return b"".join(blocks)[:size]


def _over(base: bytes, image: bytes, number: int, entry: int, block_bytes: int) -> bytes:
    """A block: the sectors that it holds, and the parent's for all others."""
    below = base[number * block_bytes : (number + 1) * block_bytes].ljust(block_bytes, b"\0")
    start, bits = entry * SECTOR, block_bytes // SECTOR
    bitmap_bytes = -(-bits // 8 // SECTOR) * SECTOR
    bitmap, held = image[start : start + bitmap_bytes], image[start + bitmap_bytes : start + bitmap_bytes + block_bytes]
    sectors = ((held if bitmap[n // 8] >> (7 - n % 8) & 1 else below)[n * SECTOR : (n + 1) * SECTOR] for n in range(bits))
    return b"".join(sectors)


def _read(image: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Virtual size, block size and table of a VHD."""
    footer = image[-SECTOR:]
    assert footer == image[:SECTOR], "the footer and its copy at the head differ"
    assert footer[:8] == b"conectix", "no VHD footer"
    assert checksum(footer[:64] + bytes(4) + footer[68:]) == struct.unpack_from(">I", footer, 64)[0], "footer checksum"
    size, offset = struct.unpack_from(">Q", footer, 48)[0], struct.unpack_from(">Q", footer, 16)[0]
    header = image[offset : offset + _HEADER_BYTES]
    assert header[:8] == b"cxsparse", "no dynamic header"
    assert checksum(header[:36] + bytes(4) + header[40:]) == struct.unpack_from(">I", header, 36)[0], "header checksum"
    table_at, _, count, block_bytes = struct.unpack_from(">QIII", header, 16)
    table = struct.unpack_from(f">{count}I", image, table_at)
    return size, block_bytes, table


def _block(image: bytes, entry: int, block_bytes: int) -> bytes:
    if entry == UNUSED:
        return bytes(block_bytes)
    bitmap_bytes = -(-block_bytes // SECTOR // 8 // SECTOR) * SECTOR
    start = entry * SECTOR
    bitmap, held = image[start : start + bitmap_bytes], image[start + bitmap_bytes : start + bitmap_bytes + block_bytes]
    if bitmap[: block_bytes // SECTOR // 8] == b"\xff" * (block_bytes // SECTOR // 8):
        return held
    sectors = range(block_bytes // SECTOR)
    return b"".join(held[n * SECTOR : (n + 1) * SECTOR] if bitmap[n // 8] >> (7 - n % 8) & 1 else bytes(SECTOR) for n in sectors)
