"""Admission of operations on an object: check, wait while it is busy, mark, and unmark.

Marks are ``current_operations``; what refuses is ``lifecycle``. Verbs do none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id, class_of

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

Mark = tuple[Id, str]
BUSY = "OTHER_OPERATION_IN_PROGRESS"
DEVICE_DEADLINE_S = 120.0
DEVICES = frozenset({"VBD", "VIF"})
BACK_OFF_S = (1.0, 20.0)


class Admission:
    """The marks in one world, and the calls that wait for marks to go."""

    __slots__ = ("_waiting", "_xapi")

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi
        self._waiting: dict[Id, dict[asyncio.Future[None], None]] = {}  # a set would wake them in the order of their addresses

    def refusal(self, marks: Iterable[Mark], *, strict: bool = True) -> Failure | None:
        """The reason why one of the operations may not begin now, None when all may. Callers who insist are not ``strict``."""
        world = self._xapi.world
        for identity, operation in marks:
            lifecycle = LIFECYCLES.get(class_of(identity))
            failure = lifecycle.check(world, identity, operation, strict=strict) if lifecycle is not None else None
            if failure is not None:
                return failure
        return None

    def will_wait(self, failure: Failure) -> bool:
        """Whether a call waits for this refusal to pass."""
        return failure.code == BUSY and self._xapi.settings.waits_for_busy

    async def enter(self, marks: tuple[Mark, ...], open_task: Callable[[Edit], str], *, strict: bool = True) -> None:
        """Mark objects as soon as the operations on all of them may begin; raises the remaining Failure when the wait takes too long.

        ``open_task`` supplies the mark's key, the ref of the task, within the edit that marks.
        """
        await self.wait_until_admitted(marks, open_task, strict=strict)
        if marks:
            with self._xapi.world.edit() as edit:
                key = open_task(edit)
                for identity, operation in marks:
                    edit.put(identity, "current_operations", key, operation)

    async def wait_until_admitted(self, marks: tuple[Mark, ...], open_task: Callable[[Edit], str], *, strict: bool = True) -> None:
        """Return when nothing refuses any of the operations."""
        deadline_s: float | None = None
        while (failure := self.refusal(marks, strict=strict)) is not None:
            now_s = asyncio.get_running_loop().time()
            if deadline_s is None:
                deadline_s = now_s + self._patience_s(marks)
            if not self.will_wait(failure) or now_s >= deadline_s:
                raise failure
            with self._xapi.world.edit() as edit:
                open_task(edit)
            await self._pause([identity for identity, _ in marks], deadline_s - now_s)

    def leave(self, edit: Edit, marks: tuple[Mark, ...], key: str) -> None:
        """Remove marks, and let waiting calls check again."""
        for identity, _ in marks:
            if edit.get(identity) is not None:
                edit.drop(identity, "current_operations", key)
            self.wake(identity)

    def wake(self, identity: Id) -> None:
        """Let the calls that wait for an object check again, once the present edit is committed."""
        for waiter in self._waiting.pop(identity, ()):
            resolve(waiter)

    async def pause_for(self, identity: Id) -> None:
        """Wait until a mark on the object goes, or some time has passed."""
        await self._pause([identity], BACK_OFF_S[1])

    def _patience_s(self, marks: tuple[Mark, ...]) -> float:
        is_device = all(class_of(identity) in DEVICES for identity, _ in marks)
        return min(DEVICE_DEADLINE_S if is_device else self._xapi.settings.busy_deadline_s, self._xapi.settings.busy_deadline_s)

    async def _pause(self, identities: list[Id], most_s: float) -> None:
        """Wait until one of the objects loses a mark, or for a random time: the obstacle may be an object related to it."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        pause_s = min(most_s, self._xapi.chance.stream("back-off").uniform(*BACK_OFF_S))
        timer = loop.call_later(pause_s, resolve, woken)
        for identity in identities:
            self._waiting.setdefault(identity, {})[woken] = None
        try:
            await woken
        finally:
            timer.cancel()
            for identity in identities:
                self._forget(identity, woken)

    def _forget(self, identity: Id, woken: asyncio.Future[None]) -> None:
        members = self._waiting.get(identity)
        if members is not None:
            members.pop(woken, None)
            if not members:
                del self._waiting[identity]


def resolve(future: asyncio.Future[None]) -> None:
    """Wake whoever awaits it."""
    if not future.done():
        future.set_result(None)
