"""The only way from the control plane's threads to the simulation's loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from fake_xapi.control.errors import TooSlow

T = TypeVar("T")


class Portal:
    """Runs coroutines on ``loop``, which runs in another thread, and waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, timeout_s: float = 300.0) -> None:
        self._loop = loop
        self._timeout_s = timeout_s

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; TooSlow when it takes longer than the portal waits, which cancels it."""
        if self._loop.is_closed():
            coroutine.close()
            raise TooSlow("the simulation is being stopped")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(self._timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TooSlow(f"no answer within {self._timeout_s:g} s; ask for less at once, or look at the loop's lag in /metrics") from None
        except concurrent.futures.CancelledError:
            raise TooSlow("the simulation is being stopped") from None
