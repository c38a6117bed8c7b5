"""Awaits of operations: each time that one of its tasks waits, which is where it may be cancelled. All of them are numbered.

Knows nothing of what is waited for: the loop's own tasks are watched, as they yield.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

HELD_S = 300.0
"""How long a task stays where it waits when nobody cancels it: some may not be cancelled, as one that waits for a thread."""

Tell = Callable[[], bool]
"""Told of each await; whether the task is to stay there, for somebody to cancel it."""

watching: ContextVar[Tell | None] = ContextVar("watching", default=None)
"""Tasks are watched that are begun while this is set."""


class Watched(Coroutine[Any, Any, Any]):
    """A coroutine that tells when it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], tell: Tell) -> None:
        self._coroutine = coroutine
        self._tell = tell

    def send(self, value: Any) -> Any:
        return self._met(self._coroutine.send(value))

    def throw(self, *problem: Any) -> Any:
        return self._met(self._coroutine.throw(*problem))

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def _met(self, waited_for: Any) -> Any:
        return _held(waited_for) if self._tell() else waited_for


def _held(waited_for: asyncio.Future[Any] | None) -> asyncio.Future[None]:
    """What is not done before HELD_S are over; cancelling it cancels what is really waited for."""
    loop = asyncio.get_running_loop()
    held: asyncio.Future[None] = loop.create_future()

    def cancel(_: asyncio.Future[None]) -> None:
        if held.cancelled() and waited_for is not None and not waited_for.cancel() and not waited_for.cancelled():
            waited_for.exception()  # which nobody will ask for

    def release() -> None:
        if waited_for is None or waited_for.done():
            let_go()
        else:
            waited_for.add_done_callback(let_go)

    def let_go(_: object = None) -> None:
        if not held.done():
            held.set_result(None)

    held.add_done_callback(cancel)
    held._asyncio_future_blocking = True
    loop.call_later(HELD_S, release)
    return held


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """From now on the loop's tasks are watched by whom their context names."""
    create = loop.get_task_factory()
    assert create is not None

    def begin(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        tell = watching.get()
        return create(loop, coroutine if tell is None else Watched(coroutine, tell), **options)

    loop.set_task_factory(begin)
