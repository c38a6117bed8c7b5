"""The structures of the VHD format: footer and dynamic header, checked strictly as they are read.

May not know streams, files or disks: bytes in, values out, and back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

SECTOR = 512
BLOCK_BYTES = 2 << 20
"""The block that XenServer writes, and the only one."""

MAX_DISK_BYTES = 2040 << 30
MAX_BLOCK_BYTES = 64 << 20
NO_DATA_OFFSET = 0xFFFFFFFFFFFFFFFF
UNUSED = 0xFFFFFFFF
"""The BAT's entry of a block that is not there."""

FOOTER_COOKIE = b"conectix"
HEADER_COOKIE = b"cxsparse"
FOOTER_BYTES = 512
HEADER_BYTES = 1024

DiskType = Literal["fixed", "dynamic", "differencing"]

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sBB426x")
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
_VERSION = 0x00010000
_FEATURES = 2
_TYPES: dict[int, DiskType] = {2: "fixed", 3: "dynamic", 4: "differencing"}
_TYPE_NUMBERS: dict[DiskType, int] = {name: number for number, name in _TYPES.items()}
_CREATOR = b"tap\0"
"""XenServer's own mark. Readers that know it take the size from the footer; from others, from the geometry, which rounds."""
_CREATOR_VERSION = 0x00000001
"""Before XenServer's own extension, the map of full blocks."""


class VhdError(ValueError):
    """An image that is not what it says; tells where in the image, and what to do about it."""

    def __init__(self, offset: int, problem: str, cure: str) -> None:
        super().__init__(f"VHD, byte {offset}: {problem}; {cure}")
        self.offset = offset
        self.problem = problem
        self.cure = cure


REWRITE = "write the image anew, e.g. `qemu-img convert -O vpc -o subformat=dynamic`"
TRANSFER_AGAIN = "the image was damaged or cut on its way: transfer it again"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a VHD says of itself. ``size`` is the virtual size in bytes; ``created`` in seconds since 2000."""

    size: int
    disk_type: DiskType
    uuid: UUID
    data_offset: int = NO_DATA_OFFSET
    created: int = 0
    is_hidden: bool = False
    """XenServer's own mark of disks that only others build upon."""

    def pack(self) -> bytes:
        """Its 512 bytes."""
        cylinders, heads, sectors = geometry(self.size)
        return _sealed(
            _FOOTER.pack(
                *(FOOTER_COOKIE, _FEATURES, _VERSION, self.data_offset, self.created, _CREATOR, _CREATOR_VERSION, bytes(4)),
                *(self.size, self.size, cylinders, heads, sectors, _TYPE_NUMBERS[self.disk_type], 0, self.uuid.bytes, 0, self.is_hidden),
            ),
            64,
        )


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a dynamic or differencing disk. ``parent_uuid`` and ``parent_name`` are of a differencing one."""

    table_offset: int
    entries: int
    block_bytes: int = BLOCK_BYTES
    parent_uuid: UUID | None = None
    parent_name: str = ""
    locators: bytes = b""

    @property
    def sectors_per_block(self) -> int:
        """How many bits the bitmap of a block has."""
        return self.block_bytes // SECTOR

    @property
    def bitmap_bytes(self) -> int:
        """The bitmap before each block, filled up to whole sectors."""
        return _round_up(self.sectors_per_block // 8, SECTOR)

    def pack(self) -> bytes:
        """Its 1,024 bytes."""
        parent = self.parent_uuid.bytes if self.parent_uuid else bytes(16)
        name = self.parent_name.encode("utf-16-be")
        packed = _HEADER.pack(
            *(HEADER_COOKIE, NO_DATA_OFFSET, self.table_offset, _VERSION, self.entries, self.block_bytes, 0),
            *(parent, 0, 0, name, self.locators),
        )
        return _sealed(packed, 36)


def read_footer(raw: bytes, offset: int) -> Footer:
    """The footer in 512 bytes found at ``offset``; VhdError when anything in it cannot be."""
    values = _FOOTER.unpack(raw)
    cookie, _, version, data_offset, created, *_ = values
    size, heads, sectors, number = values[9], values[11], values[12], values[13]
    if cookie != FOOTER_COOKIE:
        raise VhdError(offset, f"no footer, its cookie is {cookie!r}", "is this a VHD? raw images are imported with format=raw")
    _check_seal(raw, 64, offset, "footer")
    if version >> 16 != 1:
        raise VhdError(offset + 12, f"format version {version:#x} is unknown", REWRITE)
    if number not in _TYPES:
        raise VhdError(offset + 60, f"disk type {number} is unknown", REWRITE)
    if not 1 <= heads <= 16 or not sectors:
        raise VhdError(offset + 56, f"no disk has a geometry of {heads} heads and {sectors} sectors", REWRITE)
    if size % SECTOR or not 0 < size <= MAX_DISK_BYTES:
        raise VhdError(offset + 48, f"a size of {size} bytes is not a multiple of 512 up to 2040 GiB", REWRITE)
    return Footer(size, _TYPES[number], UUID(bytes=values[15]), data_offset, created, values[17] == 1)


def read_header(raw: bytes, offset: int, footer: Footer) -> Header:
    """The dynamic header in 1,024 bytes found at ``offset``; VhdError when anything in it cannot be."""
    cookie, _, table_offset, version, entries, block_bytes, _, parent, _, _, name, locators = _HEADER.unpack(raw)
    if cookie != HEADER_COOKIE:
        raise VhdError(offset, f"no dynamic header, its cookie is {cookie!r}", TRANSFER_AGAIN)
    _check_seal(raw, 36, offset, "dynamic header")
    if version >> 16 != 1:
        raise VhdError(offset + 24, f"header version {version:#x} is unknown", REWRITE)
    if block_bytes & (block_bytes - 1) or not SECTOR * 8 <= block_bytes <= MAX_BLOCK_BYTES:
        raise VhdError(offset + 32, f"a block of {block_bytes} bytes is no power of two from 4 KiB to 64 MiB", REWRITE)
    if entries * block_bytes < footer.size:
        raise VhdError(offset + 28, f"{entries} blocks of {block_bytes} bytes do not hold {footer.size} bytes", REWRITE)
    if footer.disk_type != "differencing":
        return Header(table_offset, entries, block_bytes)
    if parent == footer.uuid.bytes:
        raise VhdError(offset + 40, "the disk is its own parent", REWRITE)
    text = name.decode("utf-16-be", errors="replace").rstrip("\0")
    return Header(table_offset, entries, block_bytes, UUID(bytes=parent), text, locators)


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track of a size, as the specification computes them."""
    total = min(size // SECTOR, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        return total // 255 // 16, 16, 255
    tracks = total // 17
    heads = max((tracks + 1023) // 1024, 4)
    sectors = 17
    if tracks >= heads * 1024 or heads > 16:
        sectors, heads, tracks = 31, 16, total // 31
    if tracks >= heads * 1024:
        sectors, heads, tracks = 63, 16, total // 63
    return tracks // heads, heads, sectors


def blocks_of(size: int, block_bytes: int = BLOCK_BYTES) -> int:
    """How many blocks hold a size."""
    return -(-size // block_bytes)


def _round_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


def _checksum(raw: bytes) -> int:
    return ~sum(raw) & 0xFFFFFFFF


def _sealed(raw: bytes, place: int) -> bytes:
    """With the checksum of all other bytes written at its place, which holds zeros."""
    return raw[:place] + _checksum(raw).to_bytes(4, "big") + raw[place + 4 :]


def _check_seal(raw: bytes, place: int, offset: int, what: str) -> None:
    said = int.from_bytes(raw[place : place + 4], "big")
    found = _checksum(raw[:place] + raw[place + 4 :])
    if said != found:
        raise VhdError(offset + place, f"the {what}'s checksum is {said:#010x} and should be {found:#010x}", TRANSFER_AGAIN)
