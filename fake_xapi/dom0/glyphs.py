"""The letters of simulated screens: a few strokes each, on a grid of five columns (a to e) and nine lines (0 to 8).

They are drawn into 8 by 16 dots. A letter's height is lines 0 to 6, small ones begin at 2, tails end at 8. Strokes are two dots wide,
as on the screens of old.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

WIDTH, HEIGHT = 8, 16
_TOP, _BOTTOM_AT_6 = 2, 12
STROKES: Mapping[str, str] = {
    "!": "c0c4 c6c6", '"': "b0b1 d0d1", "#": "b0b6 d0d6 a2e2 a4e4", "$": "e1b1a2b3d3e4d5a5 c0c6", "%": "a6e0 a0b1 d5e6",
    "&": "e6b2b1c0d1a4a5b6c6e4", "'": "c0c1", "(": "d0c1c5d6", ")": "b0c1c5b6", "*": "c1c5 a2e4 e2a4", "+": "c1c5 a3e3", ",": "c6b7",
    "-": "a3e3", ".": "c6c6", "/": "a6e0", ":": "c2c2 c5c5", ";": "c2c2 c5b7", "<": "d1a3d5", "=": "a2e2 a4e4", ">": "b1e3b5",
    "?": "a1b0d0e1c3c4 c6c6", "@": "d4c2b3b4d4e3e1d0b0a1a5b6e6", "[": "d0b0b6d6", "\\": "a0e6", "]": "b0d0d6b6", "^": "b1c0d1",
    "_": "a7e7", "`": "b0c1", "{": "d0c1c2b3c4c5d6", "|": "c0c7", "}": "b0c1c2d3c4c5b6", "~": "a3b2d4e3", " ": "",
    "0": "b0d0e1e5d6b6a5a1b0 d1b5", "1": "b1c0c6 b6d6", "2": "a1b0d0e1e2a6e6", "3": "a0e0c2d2e3e5d6b6a5", "4": "d6d0a4e4",
    "5": "e0a0a3d3e4e5d6a6", "6": "d0b0a2a5b6d6e5e4d3a3", "7": "a0e0b6", "8": "b0d0e1e2d3b3a2a1b0 b3a4a5b6d6e5e4d3",
    "9": "e3b3a2a1b0d0e1e4d6b6",
    "A": "a6c0e6 b4d4", "B": "a0a6d6e5e4d3a3 a0d0e1e2d3", "C": "e1d0b0a1a5b6d6e5", "D": "a0a6c6e4e2c0a0", "E": "e0a0a6e6 a3d3",
    "F": "e0a0a6 a3d3", "G": "e1d0b0a1a5b6d6e5e3c3", "H": "a0a6 e0e6 a3e3", "I": "b0d0 c0c6 b6d6", "J": "e0e5d6b6a5", "K": "a0a6 e0a3e6",
    "L": "a0a6e6", "M": "a6a0c3e0e6", "N": "a6a0e6e0", "O": "b0d0e1e5d6b6a5a1b0", "P": "a6a0d0e1e2d3a3", "Q": "b0d0e1e5d6b6a5a1b0 c4e6",
    "R": "a6a0d0e1e2d3a3 c3e6", "S": "e1d0b0a1a2b3d3e4e5d6b6a5", "T": "a0e0 c0c6", "U": "a0a5b6d6e5e0", "V": "a0c6e0", "W": "a0b6c3d6e0",
    "X": "a0e6 e0a6", "Y": "a0c3e0 c3c6", "Z": "a0e0a6e6",
    "a": "b2d2e3e6b6a5b4e4", "b": "a0a6d6e5e3d2a2", "c": "e2b2a3a5b6e6", "d": "e0e6b6a5a3b2e2", "e": "a4e4e3d2b2a3a5b6d6",
    "f": "e0d0c1c6 b3d3", "g": "e6b6a5a3b2e2e7d8b8", "h": "a0a6 a2d2e3e6", "i": "b2c2c6 c0c0 b6d6", "j": "d2d7c8b8 d0d0",
    "k": "a0a6 d2a4d6",
    "l": "b0c0c6 b6d6", "m": "a6a2b2c3c6 c3d2e3e6", "n": "a6a2d2e3e6", "o": "b2d2e3e5d6b6a5a3b2", "p": "a8a2d2e3e5d6a6",
    "q": "e8e2b2a3a5b6e6", "r": "a2a6 a3c2d2", "s": "e2b2a3b4d4e5d6a6", "t": "c0c5d6e6 a2e2", "u": "a2a5b6e6 e2e6", "v": "a2c6e2",
    "w": "a2b6c4d6e2", "x": "a2e6 e2a6", "y": "a2c5 e2b8", "z": "a2e2a6e6",
}  # fmt: skip
"""Character -> its strokes: runs of points."""


@lru_cache(maxsize=256)
def glyph(character: str) -> tuple[int, ...]:
    """The dots of a character: 16 lines of eight bits, the leftmost dot first. One that was never drawn is a question mark."""
    lines = [0] * HEIGHT
    for stroke in STROKES.get(character, STROKES["?"]).split():
        points = [_point(stroke[place : place + 2]) for place in range(0, len(stroke), 2)]
        for begin, end in pairwise(points):
            for x, y in _line(begin, end):
                lines[y] |= 0b1100_0000 >> x
    return tuple(lines)


def _point(name: str) -> tuple[int, int]:
    column, line = "abcde".index(name[0]), int(name[1])
    return round(column * 5 / 4), _TOP + round(line * (_BOTTOM_AT_6 - _TOP) / 6)


def _line(begin: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    (x0, y0), (x1, y1) = begin, end
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    return ((x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)) for step in range(steps + 1))
