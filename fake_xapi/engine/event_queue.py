"""The queue behind ``event.register`` and ``event.next``: each change on its own, numbered, in a bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.interests import Interest
from fake_xapi.state.value import Change


@dataclass(slots=True)
class Registration:
    """A session that has called ``event.register``: what it wants, and the last event that it received."""

    interest: Interest
    position: int


class Queued(NamedTuple):
    """A change that ``event.next`` may still report, with the object as it was then."""

    number: int
    change: Change
    came_s: float

    @property
    def operation(self) -> str:
        """``add``, ``mod`` or ``del``."""
        return "add" if self.change.old is None else "del" if self.change.new is None else "mod"


@dataclass(slots=True)
class EventQueue:
    """The events that ``event.next`` may still report; filled only while somebody is registered.

    Filled only while somebody is registered.
    """

    length: int
    latest: int
    lasts_s: float = inf
    events: deque[Queued] = field(default_factory=deque)

    def append(self, change: Change) -> None:
        """Number a change and queue it; the oldest is dropped when there are too many."""
        self.latest += 1
        self.events.append(Queued(self.latest, change, _now_s() if self.lasts_s < inf else 0.0))
        if len(self.events) > self.length:
            self.events.popleft()
        self._forget_the_old()

    def _forget_the_old(self) -> None:
        while self.lasts_s < inf and self.events and _now_s() - self.events[0].came_s > self.lasts_s:
            self.events.popleft()

    def since(self, position: int) -> Iterator[Queued]:
        """The events after a position; EVENTS_LOST [] when some of them were dropped."""
        self._forget_the_old()
        oldest = self.events[0].number if self.events else self.latest + 1
        if position + 1 < oldest and position < self.latest:
            raise Failure("EVENTS_LOST")
        return (event for event in self.events if event.number > position)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
