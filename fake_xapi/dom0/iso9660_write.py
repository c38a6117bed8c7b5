"""Writes small ISO 9660 images of level 1: a root directory with plain files in it, which is what boot media for one guest need.

May not know what the files are for. The reader is ``iso9660``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

SECTOR = 2048
_FIRST = 18
"""Sectors before the root directory: the system area, the descriptor, the end of descriptors."""
_NAME = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{0,3})?")


def image(files: Mapping[str, bytes], volume: str) -> bytes:
    """An image with files in its root. ValueError for names that are no level 1 names, or too many files."""
    for name in files:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an ISO 9660 file of level 1")
    placed, end = _placed(files)
    root = _record(b"\0", _FIRST, SECTOR, is_directory=True) + _record(b"\x01", _FIRST, SECTOR, is_directory=True)
    root += b"".join(_record(f"{name};1".encode(), place, len(files[name])) for name, place in sorted(placed.items()))
    if len(root) > SECTOR:
        raise ValueError("too many files for one directory of one sector")
    body = b"".join(_padded(files[name]) for name in placed)
    return bytes(16 * SECTOR) + _descriptor(volume, end) + _padded(b"\xffCD001\x01") + _padded(root) + body


def _placed(files: Mapping[str, bytes]) -> tuple[dict[str, int], int]:
    """The first sector of each file, and the first after all."""
    placed, sector = {}, _FIRST + 1
    for name, content in files.items():
        placed[name] = sector
        sector += -(-len(content) // SECTOR)
    return placed, sector


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % SECTOR)


def _both(number: int, kind: str = "I") -> bytes:
    """A number in both orders of bytes, as the format has them."""
    return struct.pack(f"<{kind}", number) + struct.pack(f">{kind}", number)


def _record(name: bytes, sector: int, size: int, *, is_directory: bool = False) -> bytes:
    length = 33 + len(name) + (len(name) + 1) % 2
    head = struct.pack("BB", length, 0) + _both(sector) + _both(size) + bytes(7)
    return (head + struct.pack("BBB", 2 if is_directory else 0, 0, 0) + _both(1, "H") + bytes([len(name)]) + name).ljust(length, b"\0")


def _descriptor(volume: str, sectors: int) -> bytes:
    """The primary volume descriptor."""
    label = volume.upper().encode("ascii", "replace")[:32].ljust(32)
    head = b"\x01CD001\x01\0" + b" " * 32 + label + bytes(8) + _both(sectors) + bytes(32)
    sizes = _both(1, "H") + _both(1, "H") + _both(SECTOR, "H") + _both(0) + bytes(16)
    return _padded((head + sizes + _record(b"\0", _FIRST, SECTOR, is_directory=True)).ljust(881, b" ") + b"\x01")
