"""Timers of loops with a time of their own: those of one moment fire in the order in which they were set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any


class OrderedTimer(asyncio.TimerHandle):
    """A timer that comes after those of its moment that were set before it."""

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
