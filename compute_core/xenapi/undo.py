"""Undo beside each step: what a recipe has done so far, and how to take it back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure

log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[None]]


class Undo:
    """A scope: left by an exception, also by a cancellation, it takes the steps back, the last one first.

    A step that cannot be taken back is logged; the others are still tried, and the first exception is the one that goes on.
    """

    __slots__ = ("_steps", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._steps: list[tuple[str, Step]] = []

    def add(self, how: str, step: Step) -> None:
        """Register how to take back what was just done; ``how`` is for the log."""
        self._steps.append((how, step))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None) -> None:
        if reason is not None:
            await self._unwind(reason)

    async def _unwind(self, reason: BaseException) -> None:
        while self._steps:
            how, step = self._steps.pop()
            log.info("%s: %s, because of %r", self._what, how, reason)
            try:
                await step()
            except (XenApiFailure, Unanswered, TransferFailed) as problem:
                log.warning("%s: could not %s: %s", self._what, how, problem)
