"""Refs and uuids of sessions: a permutation that cannot be inverted without its key.

The permutation of ``ids`` is made to be fast. Whoever knows a few refs, or guesses the seed, can compute the others, and the ref of a
session is all that it takes to use it. So sessions have a Feistel network of four rounds of keyed BLAKE2b instead: there is still no
table, and the same run with the same key has the same refs.
"""

from __future__ import annotations

import hashlib

_ROUNDS = 4
_HALF = 61
_HALF_MASK = (1 << _HALF) - 1


class SecretPermutation:
    """A permutation of 122-bit numbers chosen by a key (at most 64 bytes), a seed and a purpose."""

    __slots__ = ("_key", "_tweak")

    def __init__(self, key: bytes, seed: str, purpose: str) -> None:
        self._key = key
        self._tweak = f"{purpose}\0{seed}\0".encode()

    def forth(self, number: int) -> int:
        """The number to which another is mapped."""
        left, right = number >> _HALF, number & _HALF_MASK
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._round(turn, right)
        return left << _HALF | right

    def back(self, number: int) -> int:
        """The number that is mapped to this one."""
        left, right = number >> _HALF, number & _HALF_MASK
        for turn in reversed(range(_ROUNDS)):
            left, right = right ^ self._round(turn, left), left
        return left << _HALF | right

    def _round(self, turn: int, half: int) -> int:
        text = b"%b%d %d" % (self._tweak, turn, half)
        return int.from_bytes(hashlib.blake2b(text, key=self._key, digest_size=8).digest(), "big") & _HALF_MASK


def keyed_text(key: bytes, seed: str, purpose: str) -> str:
    """64 hexadecimal digits that take the key, the seed and the purpose to compute."""
    return hashlib.blake2b(f"{purpose}\0{seed}".encode(), key=key, digest_size=32).hexdigest()
