"""What waits until some host has copied one LUN onto another, and hears how that has ended. May not know hosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from compute_core.model.errors import ComputeError

log = logging.getLogger(__name__)

COPYING = "copying"
POLL_S = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Pauses between questions; the last one repeats."""
SILENCES = 20
"""So often in a row nobody may answer before a copy is given up."""

Ask = Callable[[str, str], Awaitable[str]]
"""Have a record copied onto another: COPYING, "" when it is done, or why it has failed. ComputeError: nobody answers."""
Ended = Callable[[str, str], None]
"""A record holds a copy now, or will not, and why: "" for one that does."""


class Copies:
    """Copies that are under way."""

    __slots__ = ("_ask", "_ended", "_tasks")

    def __init__(self, ask: Ask, ended: Ended) -> None:
        self._ask = ask
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, source: str, target: str) -> None:
        """Begin one."""
        task = self._tasks[target] = asyncio.create_task(self._follow(source, target))
        task.add_done_callback(lambda ended: self._forget(target, ended))

    def _forget(self, target: str, ended: asyncio.Task[None]) -> None:
        """What broke off is not said to have ended: it begins anew in the next life."""
        self._tasks.pop(target, None)
        if not ended.cancelled() and (problem := ended.exception()) is not None:
            log.error("how the copy onto %s has ended is not known", target, exc_info=problem)

    async def over(self, target: str) -> None:
        """Wait until a copy onto it is over, if one is under way."""
        if target in self._tasks:
            await asyncio.wait({self._tasks[target]})

    async def close(self) -> None:
        """Wait for none of them any more; they are begun again in the next life."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, source: str, target: str) -> None:
        pauses, pause_s = iter(POLL_S), POLL_S[-1]
        while (problem := await self._asked(source, target)) == COPYING:
            pause_s = next(pauses, pause_s)
            await asyncio.sleep(pause_s)
        if problem:
            log.warning("%s was not copied onto %s: %s", source, target, problem)
        self._ended(target, problem)

    async def _asked(self, source: str, target: str) -> str:
        for _ in range(SILENCES):
            try:
                return await self._ask(source, target)
            except ComputeError as problem:
                log.info("nobody copies %s yet: %s", source, problem.message)
                await asyncio.sleep(POLL_S[-1])
        return "no host answers"
