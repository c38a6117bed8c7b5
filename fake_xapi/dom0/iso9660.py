"""Files out of an ISO 9660 image: the part of the standard that is needed to find one in the image of an update.

May not know where the bytes of an image are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Read = Callable[[int, int], bytes]
"""``read(offset, length)``: bytes of the image; ValueError beyond its end."""

SECTOR_BYTES = 2048
MOST_DIRECTORY_BYTES = 1 << 20
_DESCRIPTORS = 16
_PRIMARY = b"\x01CD001\x01"
_ROOT_RECORD = 156
_IS_DIRECTORY = 2


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    start: int
    size: int
    is_directory: bool


def read_file(read: Read, path: str, most_bytes: int) -> bytes | None:
    """What a file of an image says; None when the bytes are no image, or hold no such file, or it is longer than ``most_bytes``."""
    try:
        entry = _root(read)
        for name in path.split("/"):
            entry = entry and _inside(read, entry, name)
        if entry is None or entry.is_directory or entry.size > most_bytes:
            return None
        return read(entry.start, entry.size)
    except ValueError:
        return None


def is_image(read: Read) -> bool:
    """Whether the bytes are an image at all."""
    try:
        return _root(read) is not None
    except ValueError:
        return False


def _root(read: Read) -> _Entry | None:
    descriptor = read(_DESCRIPTORS * SECTOR_BYTES, SECTOR_BYTES)
    return _entry(descriptor[_ROOT_RECORD:]) if descriptor.startswith(_PRIMARY) else None


def _inside(read: Read, directory: _Entry, name: str) -> _Entry | None:
    """The entry of that name in a directory, whatever its case: plain images have capitals only."""
    if not directory.is_directory or directory.size > MOST_DIRECTORY_BYTES:
        return None
    return next((entry for entry in _entries(read(directory.start, directory.size)) if entry.name.lower() == name.lower()), None)


def _entries(content: bytes) -> Iterator[_Entry]:
    """The records of a directory; one never crosses the end of a sector, and a length of 0 says that the rest of it is empty."""
    offset = 0
    while offset < len(content):
        length = content[offset]
        if length:
            yield _entry(content[offset : offset + length])
        offset = offset + length if length else (offset // SECTOR_BYTES + 1) * SECTOR_BYTES


def _entry(record: bytes) -> _Entry:
    name = record[33 : 33 + record[32]] if len(record) > 33 else b""
    return _Entry(
        name.decode("latin-1").partition(";")[0].rstrip("."),
        int.from_bytes(record[2:6], "little") * SECTOR_BYTES,
        int.from_bytes(record[10:14], "little"),
        bool(record[25] & _IS_DIRECTORY) if len(record) > 25 else False,
    )
