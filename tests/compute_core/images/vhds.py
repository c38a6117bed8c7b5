"""VHDs written by hand, from the format's specification: what qemu-img does not write can be written here."""

from __future__ import annotations

import struct

SECTOR = 512
BLOCK = 2 << 20


def _sealed(sectors: bytes, at: int) -> bytes:
    total = ~sum(sectors) & 0xFFFFFFFF
    return sectors[:at] + struct.pack(">I", total) + sectors[at + 4 :]


def footer(size: int, kind: int, header_offset: int = 512) -> bytes:
    """A footer; kind 2 is fixed, 3 dynamic, 4 differencing."""
    front = struct.pack(">8sIIQI4sI4s", b"conectix", 2, 0x10000, header_offset, 0, b"tap", 0x10003, b"")
    back = struct.pack(">QQIII16sB", size, size, 0, kind, 0, b"u" * 16, 0)
    fields = front + back
    return _sealed(fields.ljust(SECTOR, b"\0"), 64)


def header(table_offset: int, blocks: int, block_bytes: int = BLOCK) -> bytes:
    """The header of a dynamic disk."""
    fields = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, table_offset, 0x10000, blocks, block_bytes, 0)
    return _sealed(fields.ljust(2 * SECTOR, b"\0"), 36)


def dynamic(blocks: dict[int, bytes], count: int = 4) -> bytes:
    """A dynamic disk of ``count`` blocks with these allocated; each content is padded to a whole block."""
    size = count * BLOCK
    table_offset = 3 * SECTOR
    body_at = table_offset + SECTOR
    stored = SECTOR + BLOCK
    table = [0xFFFFFFFF] * count
    bodies = []
    for position, (index, content) in enumerate(sorted(blocks.items())):
        table[index] = (body_at + position * stored) // SECTOR
        bodies.append(b"\xff" * SECTOR + content.ljust(BLOCK, b"\0"))
    front = footer(size, 3) + header(table_offset, count) + struct.pack(f">{count}I", *table).ljust(SECTOR, b"\xff")
    return front + b"".join(bodies) + footer(size, 3)


def fixed(content: bytes) -> bytes:
    """A fixed disk."""
    return content + footer(len(content), 2, 0xFFFFFFFFFFFFFFFF)
