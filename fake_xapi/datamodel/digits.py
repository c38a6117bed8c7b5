"""Whole numbers that clients write as text: ASCII digits, and no more of them than numbers of XenAPI have.

Python's own conversion also takes the digits of other scripts, and refuses texts of thousands of digits with an error of its own.
"""

from __future__ import annotations

MOST_DIGITS = 18


def whole(text: str) -> int | None:
    """The number; None for a text that is none."""
    return int(text) if len(text) <= MOST_DIGITS and text.isascii() and text.isdecimal() else None
