"""The names by which VHDs of a chain know each other, changed while a VHD passes by: its own uuid, and that of its parent.

Whoever exports disks names them as it likes; in a container each must name the next one. Knows the format and nothing of hosts.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from uuid import UUID

from compute_core.images.vhd import DIFFERENCING, FIXED, MAX_TABLE_OFFSET, SECTOR, checksum, read_footer
from compute_core.model.errors import BadImage

HEADER_BYTES = 1024
_UUID_AT, _PARENT_AT = 68, 40
_FOOTER_SEAL, _HEADER_SEAL = 64, 36


async def relinked(chunks: AsyncIterator[bytes], uuid: UUID, parent: UUID) -> AsyncIterator[bytes]:
    """A dynamic or differencing VHD under another uuid; ``parent`` is what a differencing one is made on from now on. BadImage."""
    front = bytearray()
    wanted, footer = SECTOR, b""
    held = b""
    async for chunk in chunks:
        if wanted:
            front += chunk
            wanted = _needed(front)
            if len(front) < wanted:
                continue
            footer, chunk, wanted = _named(front[:SECTOR], uuid), _front(front, uuid, parent), 0
        joined = held + chunk
        held = joined[-SECTOR:]
        if len(joined) > SECTOR:
            yield joined[:-SECTOR]
    if wanted or held[:8] != b"conectix":
        raise BadImage("Truncated VHD: it ends before its last footer.")
    yield footer


def _needed(front: bytes | bytearray) -> int:
    """How many bytes must be there before names can be changed."""
    if len(front) < SECTOR:
        return SECTOR
    footer = read_footer(bytes(front[:SECTOR]), "beginning")
    if footer.disk_type == FIXED or footer.header_offset > MAX_TABLE_OFFSET:
        raise BadImage("A VHD of this kind is not part of a chain.")
    return footer.header_offset + HEADER_BYTES


def _front(front: bytes | bytearray, uuid: UUID, parent: UUID) -> bytes:
    footer = read_footer(bytes(front[:SECTOR]), "beginning")
    begin, end = footer.header_offset, footer.header_offset + HEADER_BYTES
    header = bytes(front[begin:end])
    if footer.disk_type == DIFFERENCING:
        header = _sealed(header[:_PARENT_AT] + parent.bytes + header[_PARENT_AT + 16 :], _HEADER_SEAL)
    return b"".join([_named(front[:SECTOR], uuid), bytes(front[SECTOR:begin]), header, bytes(front[end:])])


def _named(footer: bytes | bytearray, uuid: UUID) -> bytes:
    return _sealed(bytes(footer[:_UUID_AT]) + uuid.bytes + bytes(footer[_UUID_AT + 16 :]), _FOOTER_SEAL)


def _sealed(sectors: bytes, at: int) -> bytes:
    return sectors[:at] + struct.pack(">I", checksum(sectors, at)) + sectors[at + 4 :]
