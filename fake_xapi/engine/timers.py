"""Event loops that keep a time of their own: timers set for the same moment fire in the order in which they were set.

May not know how the time passes: the subclasses decide that.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class OrderedTimer(asyncio.TimerHandle):
    """A timer that fires after those that were set earlier for the same moment."""

    __slots__ = ("_key",)
    _scheduled: bool

    def __init__(
        self,
        when: float,
        order: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._key = (when, order)
        self._scheduled = True  # what BaseEventLoop.call_at sets, to count cancelled timers

    def __lt__(self, other: OrderedTimer) -> bool:  # type: ignore[override]  # a loop that makes these holds no other kind of timer
        return self._key < other._key


class OrderedLoop(asyncio.SelectorEventLoop):
    """A loop whose time begins at 0 and moves only when a subclass moves it."""

    _scheduled: list[asyncio.TimerHandle]  # asyncio's own heap of timers

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._now_s = 0.0
        self._order = itertools.count()
        super().__init__(selector)

    def time(self) -> float:
        """Seconds of this loop's time since it was made."""
        return self._now_s

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer; those of the same moment fire in the order in which they were set."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = OrderedTimer(when, next(self._order), callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        return timer
