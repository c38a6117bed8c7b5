"""An asyncio loop whose clock jumps: when nothing is ready it is at once the time of the next timer.

Code that asks the running loop for the time and sleeps with asyncio runs here unchanged, a day in the time that its work takes.
Runs repeat: timers of one moment fire in the order in which they were set, and tasks hash by the order of their creation, so that
asyncio's own sets of tasks iterate alike in every process.

What comes from outside the loop takes no virtual time, and this is how far it is waited for:

* Files and sockets are polled, without waiting, before every jump. Two ends on this loop therefore talk to each other as always; an
  end elsewhere is not waited for while timers are set. With no timer left it is, for ``OUTSIDE_WAIT_S`` of real time.
* Work given to ``run_in_executor`` (``asyncio.to_thread``) holds the clock until its thread is done.
* Any other thread's ``call_soon_threadsafe`` runs at whatever moment the clock shows when it arrives.

May not know what runs on it.
"""

from __future__ import annotations

import asyncio
import gc
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

from fake_xapi.engine.timers import OrderedLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OUTSIDE_WAIT_S = 10.0
"""Real seconds that an otherwise idle loop waits for a socket before it calls itself a dead end."""
TASKS_NAMED = 10

Ready = list[tuple[selectors.SelectorKey, int]]


class DeadEndError(RuntimeError):
    """Tasks still wait, and nothing is scheduled that could ever wake them."""


class TimeLimitError(RuntimeError):
    """The next thing to happen lies beyond the limit of the run."""


def run_virtual(main: Coroutine[Any, Any, T], *, limit_s: float | None = None) -> T:
    """Run ``main`` from time 0 on a virtual clock and return its result; tasks that are left are cancelled, as by ``asyncio.run``.

    Raises DeadEndError, TimeLimitError (``limit_s`` is virtual), what ``main`` raised, or, when ``main`` returned, an ExceptionGroup of
    what other tasks and callbacks raised and nobody asked for.
    """
    lost: list[Exception] = []
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(limit_s)) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: lost.append(_lost_exception(context)))
        result = runner.run(main)
    gc.collect()  # a failed task reports itself when it is collected, and its traceback is a cycle
    if lost:
        raise ExceptionGroup("failed where nobody asked for the result", lost)
    return result


class VirtualTimeLoop(OrderedLoop):
    """The loop itself, for those who bring their own runner. ``time()`` begins at 0."""

    _ready: deque[asyncio.Handle]  # asyncio's own queue

    def __init__(self, limit_s: float | None = None) -> None:
        self._limit_s = float("inf") if limit_s is None else limit_s
        self._threads_at_work = 0
        self._selector = _JumpingSelector(self.pass_time)
        super().__init__(self._selector)
        self._watched_by_itself = len(self._selector.get_map())
        self.set_task_factory(self._new_task)

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a thread; the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """End the threads; the clock stands still until they are gone."""
        self._threads_at_work += 1
        await super().shutdown_default_executor(*args, **options)
        self._threads_at_work -= 1

    def _thread_done(self, _: object) -> None:
        self._threads_at_work -= 1

    def _new_task(self, _: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return _Task(coroutine, loop=self, order=next(self._order), **options)

    def pass_time(self, wait: Callable[[float | None], Ready]) -> Ready:
        """Nothing is ready: jump to the next timer, or ``wait`` in real time for what comes from outside the loop."""
        if self._threads_at_work:
            return wait(None)
        if self._scheduled:
            self._jump(self._scheduled[0].when())
            return []
        watches_others = len(self._selector.get_map()) > self._watched_by_itself
        ready = wait(OUTSIDE_WAIT_S) if watches_others else []
        if not ready and not self._ready:
            raise DeadEndError(f"at {self._now_s:g} s of virtual time nothing is scheduled. {_waiting(self)}")
        return ready

    def _jump(self, when: float) -> None:
        if when > self._limit_s:
            limit_s, self._limit_s = self._limit_s, float("inf")  # the end of the run may still take its time
            raise TimeLimitError(f"not done after {limit_s:g} s of virtual time; the next event is at {when:g} s. {_waiting(self)}")
        self._now_s = max(self._now_s, when)
        self._clock_resolution = math.ulp(self._now_s)  # the base fires what is due before now plus this: only what is due now


class _JumpingSelector(selectors.DefaultSelector):
    """Polls; where the loop asks it to wait, the loop's clock jumps instead."""

    def __init__(self, pass_time: Callable[[Callable[[float | None], Ready]], Ready]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        return self._pass_time(super().select)


class _Task(asyncio.Task[Any]):
    """A task that hashes by the order of its creation, not by its address in memory."""

    def __init__(self, coroutine: Any, *, order: int, **options: Any) -> None:  # as asyncio.Task takes them
        self._order = order
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._order

    def __eq__(self, other: object) -> bool:
        return self is other


def _lost_exception(context: dict[str, Any]) -> Exception:
    found = context.get("exception")
    return found if isinstance(found, Exception) else RuntimeError(f"{context['message']}: {found or context.get('task') or context!r}")


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    """Which tasks wait, and where: the first thing that somebody who meets a dead end wants to know."""
    tasks = sorted(asyncio.all_tasks(loop), key=hash)
    named = "; ".join(f"{task.get_name()} in {_place(task)}" for task in tasks[:TASKS_NAMED])
    more = f"; and {len(tasks) - TASKS_NAMED} more" if len(tasks) > TASKS_NAMED else ""
    return f"Waiting: {named}{more}"


def _place(task: asyncio.Task[Any]) -> str:
    """The innermost coroutine that the task is in, with its line."""
    coroutine: Any = task.get_coro()
    where = repr(coroutine)
    while frame := getattr(coroutine, "cr_frame", None):
        where = f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        coroutine = coroutine.cr_await
    return where
