"""Which objects changed in which generation: the part of a world's past that readers of events still need.

Bounded: when it grows too long its oldest half is dropped, and readers from before that compare tables instead.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from fake_xapi.state.ids import Id

LONGEST = 16384


class Feed:
    """The ids that each generation touched, and when destroyed objects went."""

    __slots__ = ("_generations", "_ids", "graves", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self._generations = array("Q")
        self._ids = array("Q")
        self.graves: dict[Id, tuple[int, int]] = {}

    def append(self, generation: int, touched: Iterable[Id]) -> None:
        """Record what one commit touched."""
        for identity in touched:
            self._generations.append(generation)
            self._ids.append(identity)
        if len(self._ids) > LONGEST:
            self._forget(LONGEST // 2)

    def bury(self, identity: Id, created: int, destroyed: int) -> None:
        """Record when an object was created and destroyed."""
        self.graves[identity] = (created, destroyed)

    def since(self, generation: int) -> set[Id] | None:
        """The ids touched after ``generation``; None when the feed does not reach back that far."""
        if generation < self.start:
            return None
        return set(self._ids[bisect_right(self._generations, generation) :])

    def _forget(self, count: int) -> None:
        self.start = self._generations[count - 1]
        kept = bisect_right(self._generations, self.start)
        del self._generations[:kept]
        del self._ids[:kept]
        self.graves = {identity: grave for identity, grave in self.graves.items() if grave[1] > self.start}
