"""The headers of tar archives, as far as an XVA has any: plain files, one after another.

A name is a text here and never a path: nothing is ever opened by it. May not know what is in the files.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 512
END = bytes(2 * BLOCK)
"""What an archive ends with."""

_PLAIN_FILES = (b"0", b"\0")
_LARGEST_OCTAL = 8**11


class TarError(ValueError):
    """A header that is none, or of something else than a plain file."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive."""

    name: str
    size: int

    @property
    def padding(self) -> int:
        """The zeros that follow its content."""
        return -self.size % BLOCK


def header(name: str, size: int) -> bytes:
    """The header of a file; TarError for a name or a size that does not fit one."""
    encoded = name.encode()
    if len(encoded) > 100:
        raise TarError(f"the name {name!r} is too long for an archive")
    if size >= _LARGEST_OCTAL:
        raise TarError(f"{size} bytes are too many for a file of an archive")
    fields = b"".join(
        (
            encoded.ljust(100, b"\0"),
            b"0000400\0",
            b"0000000\0" * 2,
            b"%011o\0" % size,
            b"00000000000\0",
            b" " * 8,
            b"0",
            bytes(100),
            b"ustar\x0000",
        )
    ).ljust(BLOCK, b"\0")
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def file(name: str, content: bytes) -> bytes:
    """A whole small file: header, content and padding."""
    return header(name, len(content)) + content + bytes(-len(content) % BLOCK)


def read_header(block: bytes) -> Member | None:
    """The file that a header announces; None for a block of zeros, which ends an archive."""
    if not any(block):
        return None
    if _number(block[148:156]) != sum(block[:148]) + 8 * ord(" ") + sum(block[156:BLOCK]):
        raise TarError("the checksum of a header is wrong")
    if block[156:157] not in _PLAIN_FILES:
        raise TarError("an archive of a VM holds plain files alone")
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return Member(f"{prefix}/{name}" if prefix else name, _number(block[124:136]))


def _text(field: bytes) -> str:
    try:
        return field.partition(b"\0")[0].decode()
    except UnicodeDecodeError as error:
        raise TarError("the name of a file is no UTF-8") from error


def _number(field: bytes) -> int:
    """Octal digits, or for what is too large for them a binary number behind a set bit."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise TarError("a number in a header is none")
    return int(digits, 8)
