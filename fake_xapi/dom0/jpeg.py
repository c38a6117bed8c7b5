"""Grey pictures as baseline JPEG (ISO 10918-1): enough of it to take a picture of a screen of text.

Few blocks of such a screen differ, so each kind is transformed once. The codes are all equally long: simple, and short enough.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache

SIDE = 8
Block = tuple[int, ...]
"""64 levels, 0 black to 255 white, row by row."""

_STEP = 4
"""Coefficients are kept in steps of so much."""
_DC_BITS, _AC_BITS = 4, 8
_DC_SYMBOLS = bytes(range(12))
_AC_SYMBOLS = bytes([0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))])
_END_OF_BLOCK, _SIXTEEN_ZEROS = 0x00, 0xF0


def _on_diagonal(place: int) -> int:
    """Odd diagonals run down, even ones up."""
    row, column = divmod(place, SIDE)
    return row if (row + column) % 2 else column


_ZIGZAG = sorted(range(64), key=lambda place: (place // 8 + place % 8, _on_diagonal(place)))
_COSINES = [[math.cos((2 * x + 1) * u * math.pi / 16) for x in range(SIDE)] for u in range(SIDE)]


def picture(columns: int, rows: int, blocks: Iterable[Block]) -> bytes:
    """A picture of so many blocks each way, which come row by row."""
    bits = "".join(_coded(blocks))
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHBBBB", 8, rows * SIDE, columns * SIDE, 1, 1, 0x11, 0)
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, 0, 1, 1, 0, 0)),
            _segment(0xDB, bytes([0, *[_STEP] * 64])),
            _segment(0xC0, frame),
            _segment(0xC4, _table(0x00, _DC_BITS, _DC_SYMBOLS)),
            _segment(0xC4, _table(0x10, _AC_BITS, _AC_SYMBOLS)),
            _segment(0xDA, bytes((1, 1, 0x00, 0, 63, 0))),
            data,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _table(number: int, bits: int, symbols: bytes) -> bytes:
    """A table of codes that all have so many bits: the first symbol's is 0, the next one's 1."""
    return bytes([number, *(len(symbols) if length == bits else 0 for length in range(1, 17))]) + symbols


def _coded(blocks: Iterable[Block]) -> Iterator[str]:
    before = 0
    for block in blocks:
        level, rest = _transformed(block)
        change, before = level - before, level
        size = abs(change).bit_length()
        yield f"{size:0{_DC_BITS}b}{_magnitude(change, size)}{rest}"


@lru_cache(maxsize=1024)
def _transformed(block: Block) -> tuple[int, str]:
    """A block's mean, and the bits of all that differs from it."""
    values = [_coefficient(block, place // SIDE, place % SIDE) for place in _ZIGZAG]
    return values[0], "".join(_differences(values[1:]))


def _coefficient(block: Block, v: int, u: int) -> int:
    total = sum((block[SIDE * y + x] - 128) * _COSINES[u][x] * _COSINES[v][y] for y in range(SIDE) for x in range(SIDE))
    scale = (math.sqrt(0.5) if u == 0 else 1.0) * (math.sqrt(0.5) if v == 0 else 1.0) / 4
    return round(total * scale / _STEP)


def _differences(values: list[int]) -> Iterator[str]:
    zeros = 0
    last = max((place for place, value in enumerate(values) if value), default=-1)
    for value in values[: last + 1]:
        if not value:
            zeros += 1
            continue
        while zeros > 15:
            yield _ac(_SIXTEEN_ZEROS)
            zeros -= 16
        size = abs(value).bit_length()
        yield _ac(zeros << 4 | size) + _magnitude(value, size)
        zeros = 0
    if last < len(values) - 1:
        yield _ac(_END_OF_BLOCK)


def _ac(symbol: int) -> str:
    return f"{_AC_SYMBOLS.index(symbol):0{_AC_BITS}b}"


def _magnitude(value: int, size: int) -> str:
    """The low bits of a value; of a negative one those of the value less one."""
    return f"{value if value >= 0 else value + (1 << size) - 1:0{size}b}" if size else ""
