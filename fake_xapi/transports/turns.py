"""One thing at a time: what a connection answers, in the order in which it was asked.

While something runs, or while the client does not read, requests wait; when too many wait, reading stops. May not know HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)

Turn = Callable[[], None]


class Turns:
    """The order of one connection. ``now_or_later`` runs what may run now, else keeps it."""

    __slots__ = ("_holds", "_loop", "_most", "_queue", "_tasks", "_transport", "call", "drained", "on_idle", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]], most: int, on_idle: Turn) -> None:
        self._loop = loop
        self._tasks = tasks
        self._most = most
        self._queue: deque[Turn] = deque()
        self._holds = 0
        self._transport: asyncio.Transport | None = None
        self.on_idle = on_idle
        self.task: asyncio.Task[None] | None = None
        self.call = ""
        self.drained: asyncio.Future[None] | None = None

    def connect(self, transport: asyncio.Transport) -> None:
        """The transport whose reading is held."""
        self._transport = transport

    @property
    def is_free(self) -> bool:
        """Whether something may begin now."""
        return self.task is None and self.drained is None and not self._queue

    def now_or_later(self, turn: Turn) -> None:
        """Run it, or keep it until what is before it has ended."""
        if self.task is None and self.drained is None and not self._queue:
            turn()
            return
        self._queue.append(turn)
        if len(self._queue) == self._most:
            self.hold()

    def start(self, call: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; what comes after waits for it."""
        self.call = call
        self.task = task = self._loop.create_task(work, name=call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def pause(self) -> None:
        """The client reads slower than we write."""
        self.drained = self._loop.create_future()
        self.hold()

    def resume(self) -> None:
        """The client caught up."""
        self._let_writers_go()
        self.release()
        self._next()

    def forget(self) -> None:
        """The client is gone: what waits is not begun, what runs goes on."""
        self._queue.clear()
        self._transport = None
        self._let_writers_go()

    def hold(self) -> None:
        """Stop reading; each reason to is counted."""
        self._holds += 1
        if self._holds == 1 and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def release(self) -> None:
        """One reason less; with none left, read on."""
        self._holds -= 1
        if self._holds == 0 and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def read_on(self) -> None:
        """Read whatever comes, never to stop again: it is thrown away."""
        if self._holds > 0 and self._transport is not None:
            self._transport.resume_reading()
        self._transport = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", self.call, exc_info=error)
            if self._transport is not None:
                self._transport.abort()
        self._next()

    def _next(self) -> None:
        while self._queue and self.task is None and self.drained is None:
            if len(self._queue) == self._most:
                self.release()
            self._queue.popleft()()
        if self.is_free:
            self.on_idle()

    def _let_writers_go(self) -> None:
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        self.drained = None
