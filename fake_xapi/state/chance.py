"""Randomness as named streams of one seed: streams never disturb each other, and the same seed gives the same run."""

from __future__ import annotations

import hashlib
import random


class Chance:
    """One generator per name; asking again continues the same stream."""

    __slots__ = ("_seed", "_streams")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """The stream with that name, which starts at its seed when it is first used."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = random.Random(derive_seed(self._seed, name))
        return found


def derive_seed(seed: str, name: str) -> int:
    """128 bits that depend on both texts and on nothing else."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest(), "big")
