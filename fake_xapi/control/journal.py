"""The history of a world: its latest generations as values, with time and cause, as many as were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fake_xapi.control.errors import Conflict, NotFound
from fake_xapi.control.traffic import CAUSE
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import class_names, number_of
from fake_xapi.state.value import Change, Value
from fake_xapi.state.world import World

MOST = 100_000
"""The most generations of one world that may be kept."""


@dataclass(frozen=True, slots=True)
class Point:
    """A pool's database and disks at one moment; ``release`` is the personality that it had."""

    value: Value
    disks: DiskStore
    release: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One generation: when it was made, by which call, and which classes it touched."""

    point: Point
    at_s: float
    cause: str
    touched: tuple[str, ...]

    @property
    def generation(self) -> int:
        """Its number."""
        return self.point.value.generation


def point_of(xapi: Xapi) -> Point:
    """The present state of a pool, at no cost."""
    return Point(xapi.world.value, xapi.disks.fork(), xapi.personality.name)


class Journal:
    """The generations of one world from now on, of which the last ``most`` are kept."""

    def __init__(self, xapi: Xapi, most: int) -> None:
        self._xapi = xapi
        self._world = xapi.world
        self.entries: deque[Entry] = deque(maxlen=most)
        self._note((), "the journal begins")
        self._world.listeners.append(self._heard)

    @property
    def most(self) -> int:
        """The number of generations to keep."""
        return self.entries.maxlen or 0

    def at(self, generation: int) -> Entry:
        """The newest entry that is not newer than a generation. NotFound when it is not kept any more."""
        if not self.entries[0].generation <= generation <= self._world.generation:
            kept = f"{self.entries[0].generation} to {self._world.generation}"
            raise NotFound(f"generation {generation} is not in the journal, which has {kept}; keep more entries to reach further back")
        return next(entry for entry in reversed(self.entries) if entry.generation <= generation)

    def before(self, generation: int | None) -> Iterator[Entry]:
        """The entries before a generation, newest first."""
        return (entry for entry in reversed(self.entries) if generation is None or entry.generation < generation)

    def close(self) -> None:
        """Stop recording."""
        self._world.listeners.remove(self._heard)
        self.entries.clear()

    def _heard(self, _generation: int, changes: tuple[Change, ...]) -> None:
        self._note(changes, CAUSE.get() or "by itself")

    def _note(self, changes: Iterable[Change], cause: str) -> None:
        names = class_names()
        touched = tuple(sorted({names[number_of(change.identity)] for change in changes}))
        self.entries.append(Entry(point_of(self._xapi), asyncio.get_running_loop().time(), cause, touched))


class Journals:
    """The journals that were asked for, by world."""

    def __init__(self) -> None:
        self._kept: dict[World, Journal] = {}

    def keep(self, xapi: Xapi, most: int) -> Journal | None:
        """Keep that many generations of a pool from now on, including those kept already; 0 keeps none. Conflict for too many."""
        if most > MOST:
            raise Conflict(f"a journal keeps at most {MOST} entries, not {most}")
        old = self._kept.pop(xapi.world, None)
        if old is not None and most:
            old.entries = deque(old.entries, maxlen=most)
            self._kept[xapi.world] = old
            return old
        if old is not None:
            old.close()
        return self._kept.setdefault(xapi.world, Journal(xapi, most)) if most else None

    def of(self, xapi: Xapi) -> Journal | None:
        """The journal of a pool."""
        return self._kept.get(xapi.world)

    def needed(self, xapi: Xapi, host: str) -> Journal:
        """The same; Conflict when there is none."""
        found = self.of(xapi)
        if found is None:
            raise Conflict(f"no journal of {host} is kept; ask for one first: inova sim world journal {host} --keep 1000")
        return found

    def close(self) -> None:
        """Stop recording."""
        for journal in self._kept.values():
            journal.close()
        self._kept.clear()
