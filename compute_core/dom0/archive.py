"""Tar archives of numbered VHDs as streams: read strictly from anybody, written for anybody.

Regular files called ``0.vhd``, ``1.vhd`` and so on are all that may be inside, beside what OVF containers bring (``*.ovf``, ``*.mf``),
which is skipped: no name leads anywhere, no link, no device, no sparse file.
"""

import re
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from compute_core.dom0.refusal import bad_image

BLOCK = 512
END = bytes(2 * BLOCK)
_NUMBERED = re.compile(r"(?:\./)?(\d{1,2})\.vhd")
_SKIPPED = re.compile(r"(?:\./)?[A-Za-z0-9_-]{1,64}\.(?:ovf|mf|xml)|\./")
_OLD_NAMES: Dict[str, int] = {"snap.vhd": 0, "image.vhd": 0, "base.vhd": 1}
"""What VHDs are called in images of old."""
_REGULAR, _FOLDER, _NOTES = b"0\0", b"5", b"xg"
_MOST_NOTES = 64 << 10
_MOST_SKIPPED = 16 << 20


class Member(NamedTuple):
    """A file in an archive. ``place`` in the chain, or None for one that is skipped."""

    name: str
    size: int
    place: Optional[int]


class Source:
    """A stream from which exact counts of bytes are taken, with its first ones to be looked at before."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay; fewer when the stream ends."""
        while len(self._buffer) < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer += piece
        return self._buffer[:count]

    def exactly(self, count: int, what: str) -> bytes:
        """The next bytes; Refusal BAD_IMAGE when the stream ends within them."""
        taken = self.peek(count)
        if len(taken) < count:
            raise bad_image(f"the image is cut: it ends within {what}")
        self._buffer = self._buffer[count:]
        return taken

    def pieces(self, count: int, what: str) -> Iterator[bytes]:
        """So many bytes, as they come."""
        while count:
            piece = self.some()
            if not piece:
                raise bad_image(f"the image is cut: it ends within {what}")
            taken, self._buffer = piece[:count], piece[count:]
            count -= len(taken)
            yield taken

    def some(self) -> bytes:
        """The next bytes, however many; none at the end."""
        found, self._buffer = self._buffer or next(self._pieces, b""), b""
        while not found:
            more = next(self._pieces, None)
            if more is None:
                break
            found = more
        return found

    def rest(self) -> Iterator[bytes]:
        """All that is left."""
        while True:
            piece = self.some()
            if not piece:
                return
            yield piece


def is_header(raw: bytes) -> bool:
    """Whether these are the first bytes of a tar archive."""
    return len(raw) >= BLOCK and _checksum(raw[:BLOCK]) == _octal(raw[148:156])


def members(source: Source) -> Iterator[Member]:
    """The members in order; those skipped are passed over. The caller takes the bytes of each with ``source.pieces``, ``skip_padding``."""
    size_noted: Optional[int] = None
    skipped = 0
    while True:
        raw = source.exactly(BLOCK, "a header of the archive")
        if raw == bytes(BLOCK):
            return
        kind, member = _member(raw)
        if kind in _NOTES:
            size_noted = _noted_size(source, member) if kind == b"x" else None
            continue
        member = member._replace(size=member.size if size_noted is None else size_noted)
        size_noted = None
        if member.place is not None:
            yield member
            continue
        skipped += member.size
        if skipped > _MOST_SKIPPED:
            raise bad_image(f"{member.name} is too large for what is no disk")
        for _ in source.pieces(member.size, member.name):
            pass
        skip_padding(source, member)


def skip_padding(source: Source, member: Member) -> None:
    """Pass over what fills up a member's last block."""
    source.exactly(-member.size % BLOCK, member.name)


def _member(raw: bytes) -> Tuple[bytes, Member]:
    if not is_header(raw):
        raise bad_image("the archive is damaged: a header has a wrong checksum")
    kind, size = raw[156:157], _size(raw[124:136])
    name = raw[:100].split(b"\0")[0].decode("utf-8", "replace")
    if kind in _NOTES:
        return kind, Member(name, size, None)
    if raw[345:500].strip(b"\0"):
        name = raw[345:500].split(b"\0")[0].decode("utf-8", "replace") + "/" + name
    if kind == _FOLDER and name == "./":
        return kind, Member(name, 0, None)
    if kind not in _REGULAR:
        raise bad_image(f"{name!r} in the image is no regular file")
    return kind, Member(name, size, _place(name))


def _place(name: str) -> Optional[int]:
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        return int(numbered.group(1))
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    if _SKIPPED.fullmatch(name):
        return None
    raise bad_image(f"{name!r} has no place in an image of VHDs")


def _noted_size(source: Source, member: Member) -> Optional[int]:
    """The size that an extended header gives the next member, which alone matters here."""
    if member.size > _MOST_NOTES:
        raise bad_image(f"an extended header of {member.size} bytes")
    raw = source.exactly(member.size, "an extended header")
    skip_padding(source, member)
    found = re.search(rb"(?:^|\n)\d+ size=(\d{1,18})\n", raw)
    return int(found.group(1)) if found else None


def _size(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    size = _octal(field)
    if size is None:
        raise bad_image("the archive is damaged: a size is no number")
    return size


def _octal(field: bytes) -> Optional[int]:
    text = field.strip(b" \0")
    if text.strip(b"01234567"):
        return None
    return int(text or b"0", 8)


def _checksum(raw: bytes) -> int:
    return sum(raw[:148]) + 8 * 32 + sum(raw[156:])


def header(name: str, size: int) -> bytes:
    """The header of a file; sizes from 8 GiB on are written as GNU's tar does."""
    digits = f"{size:011o}\0".encode() if size < 8 << 30 else b"\x80" + size.to_bytes(11, "big")
    raw = bytearray(name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + digits + b"00000000000\0" + b" " * 8 + b"0")
    raw = raw.ljust(257, b"\0") + b"ustar\x0000"
    raw = raw.ljust(BLOCK, b"\0")
    raw[148:156] = f"{sum(raw):06o}\0 ".encode()
    return bytes(raw)
