"""The one way from Flask to the loop: WSGI code is synchronous, the core is not, so a portal runs a coroutine there and waits here.

`ThreadPortal` serves WSGI threads beside the loop's thread. `GreenletPortal` serves WSGI code that runs on the loop's own thread,
in a greenlet: while the coroutine is under way the loop goes on, so that virtual time works through the REST API too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import greenlet  # type: ignore[import-untyped]

from compute_core.model.errors import ComputeError

T = TypeVar("T")


class TooSlow(ComputeError):
    """The core did not answer in time; what was asked for may still happen."""

    status = 503
    name = "serviceUnavailable"


class Portal(Protocol):
    """Run a coroutine on the loop and wait for it."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, or its exception."""


def iterate(portal: Portal, chunks: AsyncIterator[T]) -> Iterator[T]:
    """An asynchronous iterator's items, one trip through the portal each. Ends the iterator when the reader stops early."""

    async def following() -> tuple[T, ...]:
        async for chunk in chunks:
            return (chunk,)
        return ()

    try:
        while item := portal.run(following()):
            yield item[0]
    finally:
        portal.run(_close(chunks))


async def _close(chunks: AsyncIterator[T]) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


class ThreadPortal:
    """For WSGI threads: the coroutine runs on ``loop``, which runs in another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, timeout_s: float) -> None:
        self._loop = loop
        self._timeout_s = timeout_s

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; TooSlow when it takes longer than the portal's timeout (it is cancelled then)."""
        if self._loop.is_closed():
            coroutine.close()
            raise TooSlow("The service is being stopped.")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(self._timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TooSlow(f"No answer within {self._timeout_s:g} s.") from None
        except concurrent.futures.CancelledError:
            raise TooSlow("The service is being stopped.") from None


class GreenletPortal:
    """For WSGI code inside `in_greenlet`: the coroutine is awaited by the task that called it."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result."""
        parent = greenlet.getcurrent().parent
        if parent is None:
            coroutine.close()
            raise RuntimeError("A greenlet portal works inside in_greenlet() only.")
        result: T = parent.switch(coroutine)
        return result


async def in_greenlet(function: Callable[..., T], *arguments: Any) -> T:
    """Run a synchronous function on this thread; what it runs through a `GreenletPortal` is awaited here."""
    child = greenlet.greenlet(function)
    outcome = child.switch(*arguments)
    while not child.dead:
        outcome = await _step(child, outcome)
    result: T = outcome
    return result


async def _step(child: greenlet.greenlet, asked: Awaitable[Any]) -> Any:
    try:
        answer = await asked
    except BaseException as problem:  # noqa: BLE001 - handed on whole to the code that asked, cancellation too
        return child.throw(problem)
    return child.switch(answer)
