"""An asyncio loop whose time follows the real clock at a chosen pace: faster, slower, not at all, or in leaps.

Its time moves only while the loop has nothing else to do, and never past the next timer: every timer fires at exactly the time that it
was set for, and what follows from it at once happens at that time too, however fast the time runs and however busy the machine is.
A leap is no exception: everything due on the way happens, in its order.

Clients are on the real clock whatever the pace: ``call_later_really`` sets timers for what waits for them (timeouts of connections).

May not know what runs on it.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
import time
from collections.abc import Callable
from typing import Any, TypeVarTuple

from fake_xapi.engine.timers import OrderedLoop

Ts = TypeVarTuple("Ts")

MOST_SPEED = 1_000_000.0
STARVED_S = 0.05
"""After being busy for this long without a pause, a loop lets its time advance all the same."""

Ready = list[tuple[selectors.SelectorKey, int]]
RealClock = Callable[[], float]


class PacedLoop(OrderedLoop):
    """The loop itself. ``time()`` begins at 0; ``speed`` is seconds of its time per real second, 0 while it is paused."""

    def __init__(self, speed: float = 1.0, real_clock: RealClock = time.monotonic) -> None:
        self._real_clock = real_clock
        self._speed = self._speed_when_running = _checked(speed)
        self._anchor_s, self._real_anchor_s = 0.0, real_clock()
        self._moved_at_s = self._real_anchor_s
        self._real_timers: list[tuple[float, int, asyncio.Handle]] = []
        self._paced_selector = _PacedSelector(self._select)
        super().__init__(self._paced_selector)

    # ---- the time ---------------------------------------------------------------------------------------------------------

    def real_time(self) -> float:
        """Seconds of the real clock."""
        return self._real_clock()

    @property
    def speed(self) -> float:
        """Seconds of this loop's time per real second; 0 while it is paused."""
        return self._speed

    @property
    def speed_when_running(self) -> float:
        """The speed to which ``resume`` returns."""
        return self._speed_when_running

    @property
    def is_paused(self) -> bool:
        """Whether the time stands still."""
        return self._speed == 0

    @property
    def next_timer_s(self) -> float | None:
        """When the next timer is due; None when there is none."""
        timers = [timer for timer in self._scheduled if not timer.cancelled()]
        return min(timer.when() for timer in timers) if timers else None

    # ---- the pace ---------------------------------------------------------------------------------------------------------

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on. ValueError for one that is not above 0, or above ``MOST_SPEED``."""
        self._speed_when_running = _checked(speed)
        self._run_at(speed)

    def pause(self) -> None:
        """Stop the time; calls that take no time are still answered."""
        self._run_at(0.0)

    def resume(self) -> None:
        """Restart the time at its former speed."""
        self._run_at(self._speed_when_running)

    async def jump(self, seconds: float) -> None:
        """Let that much time pass at once and return; a paused loop is paused again afterwards. ValueError for an invalid time."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a jump takes 0 seconds or more, not {seconds}; time never goes back")
        await self._jump_to(self._now_s + seconds)

    async def step(self) -> float:
        """Advance to the next timer and let it fire; returns the time that passed, 0 when there is no timer."""
        began_s, next_s = self._now_s, self.next_timer_s
        await self._jump_to(self._now_s if next_s is None else max(self._now_s, next_s))
        return self._now_s - began_s

    async def _jump_to(self, goal_s: float) -> None:
        arrived = self.create_future()
        timer = self.call_at(goal_s, arrived.set_result, None)
        self._anchor_at(max(self._aim(), goal_s))
        try:
            await arrived
        except asyncio.CancelledError:
            self._anchor_at(self._now_s)  # nobody wants to be there any more
            raise
        finally:
            timer.cancel()

    def _run_at(self, speed: float) -> None:
        self._anchor_at(self._now_s)
        self._speed = speed

    def _anchor_at(self, when_s: float) -> None:
        self._anchor_s, self._real_anchor_s = when_s, self._real_clock()

    def _aim(self) -> float:
        """The time as it would be if there were no timers on the way."""
        return self._anchor_s + (self._real_clock() - self._real_anchor_s) * self._speed

    # ---- timers on the real clock -----------------------------------------------------------------------------------------

    def call_later_really(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """Call a function after some seconds of the real clock."""
        handle = asyncio.Handle(callback, args, self)
        heapq.heappush(self._real_timers, (self._real_clock() + delay_s, next(self._order), handle))
        return handle

    def _fire_real_timers(self) -> None:
        now_s = self._real_clock()
        while self._real_timers and self._real_timers[0][0] <= now_s:
            _, _, handle = heapq.heappop(self._real_timers)
            if not handle.cancelled():
                self.call_soon(handle._run)  # noqa: SLF001  # what the base does with a handle that is due

    # ---- between two rounds of the loop -----------------------------------------------------------------------------------

    def _select(self, poll: Callable[[float | None], Ready], timeout: float | None) -> Ready:
        """Wait for files as long as the time allows, then set the time: as the pace demands, or to the next timer's."""
        is_idle = timeout is None or timeout > 0
        ready = poll(self._patience_s() if is_idle else 0)
        real_s = self._real_clock()
        if is_idle or real_s - self._moved_at_s > STARVED_S:
            self._move()
            self._moved_at_s = real_s
        if self._real_timers:
            self._fire_real_timers()
        return ready

    def _patience_s(self) -> float | None:
        """Real seconds until a timer of either kind is due; None for ever."""
        waits = []
        if self._scheduled:
            left_s = self._scheduled[0].when() - self._aim()
            waits.append(left_s / self._speed if self._speed else math.inf if left_s > 0 else 0.0)
        if self._real_timers:
            waits.append(self._real_timers[0][0] - self._real_clock())
        least = min(waits, default=math.inf)
        return None if least == math.inf else max(0.0, least)

    def _move(self) -> None:
        aim_s = self._aim()
        if self._scheduled:
            aim_s = min(aim_s, self._scheduled[0].when())
        self._now_s = max(self._now_s, aim_s)
        self._clock_resolution = math.ulp(self._now_s)  # the base fires what is due before now plus this: only what is due now


def _checked(speed: float) -> float:
    if not 0 < speed <= MOST_SPEED:
        raise ValueError(f"a speed is above 0 and at most {MOST_SPEED:g}, not {speed}; use pause to let the time stand still")
    return speed


class _PacedSelector(selectors.DefaultSelector):
    """Waits as long as the loop's own time demands, not as long as asyncio thinks."""

    def __init__(self, select: Callable[[Callable[[float | None], Ready], float | None], Ready]) -> None:
        super().__init__()
        self._select = select

    def select(self, timeout: float | None = None) -> Ready:
        return self._select(super().select, timeout)
