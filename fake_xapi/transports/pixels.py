"""Screens of text as pixels for a VNC client: in its own format, line by line.

May not know the protocol that carries them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from fake_xapi.dom0.glyphs import HEIGHT, WIDTH, glyph

Colour = tuple[int, int, int]
BLACK, GREY, BLUE, WHITE = (0, 0, 0), (170, 170, 170), (0, 0, 170), (255, 255, 255)
PALETTE: tuple[Colour, ...] = (BLACK, GREY, BLUE, WHITE)
"""The palette for a client without true colour."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A client's pixel format; ``most`` and ``shift`` are of red, green and blue."""

    bits: int = 32
    depth: int = 24
    is_big_endian: bool = False
    has_true_colour: bool = True
    most: Colour = (255, 255, 255)
    shift: Colour = (16, 8, 0)

    @property
    def packed(self) -> bytes:
        """The format as it is sent."""
        return struct.pack(">BBBBHHHBBB3x", self.bits, self.depth, self.is_big_endian, self.has_true_colour, *self.most, *self.shift)

    def dot(self, colour: Colour) -> bytes:
        """One pixel of a colour."""
        if self.has_true_colour:
            parts = zip(colour, self.most, self.shift, strict=True)
            value = sum(((part * most + 127) // 255) << shift for part, most, shift in parts)
        else:
            value = PALETTE.index(colour)
        size = self.bits // 8
        return (value & ((1 << self.bits) - 1)).to_bytes(size, "big" if self.is_big_endian else "little")


STANDARD = PixelFormat()


def read_format(content: bytes) -> PixelFormat:
    """A format as it was sent; ValueError unless it has 8, 16 or 32 bits that contain all its colours."""
    bits, depth, big, true, *rest = struct.unpack(">BBBBHHHBBB3x", content)
    most, shift = tuple(rest[:3]), tuple(rest[3:])
    if bits not in (8, 16, 32) or any(place > 31 for place in shift):
        raise ValueError(f"{bits} bits per pixel, shifted by {shift}")
    return PixelFormat(bits, depth, bool(big), bool(true), most, shift)


@dataclass(slots=True)
class Brush:
    """Draws in one format, caching what it has drawn for each character."""

    format: PixelFormat = STANDARD
    _drawn: dict[tuple[str, bool], tuple[bytes, ...]] = field(default_factory=dict)

    def line(self, text: str, *, is_title: bool) -> list[bytes]:
        """The 16 rows of pixels of a line of text."""
        cells = [self._cell(character, is_title=is_title) for character in text]
        return [b"".join([cell[row] for cell in cells]) for row in range(HEIGHT)]

    def _cell(self, character: str, *, is_title: bool) -> tuple[bytes, ...]:
        known = self._drawn.get((character, is_title))
        if known is None:
            ground, ink = (self.format.dot(colour) for colour in ((BLUE, WHITE) if is_title else (BLACK, GREY)))
            dots: Mapping[bool, bytes] = {False: ground, True: ink}
            rows = glyph(character)
            known = tuple(b"".join(dots[bool(bits >> (WIDTH - 1 - place) & 1)] for place in range(WIDTH)) for bits in rows)
            self._drawn[character, is_title] = known
        return known
