"""The time of a simulation: its date, and its pace."""

from __future__ import annotations

import asyncio
from typing import Any

from fake_xapi.control.errors import Conflict, Refused
from fake_xapi.engine.paced_time import PacedLoop
from fake_xapi.fleet.fleet import Fleet

MOST_STEPS = 10_000


class Time:
    """The time of one fleet. On a loop that cannot be paced, methods that change the pace raise Conflict."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def date(self) -> str:
        """The present date, as XenAPI writes it."""
        return self._fleet.clock.now()

    def date_at(self, loop_time_s: float) -> str:
        """The date at a time of the loop."""
        return self._fleet.clock.at(loop_time_s)

    def told(self) -> dict[str, Any]:
        """The time and its pace."""
        loop = asyncio.get_running_loop()
        paced = loop if isinstance(loop, PacedLoop) else None
        return {
            "date": self.date(),
            "time_s": round(loop.time(), 6),
            "is_paced": paced is not None,
            "is_paused": paced is not None and paced.is_paused,
            "speed": paced.speed_when_running if paced is not None else 1.0,
        }

    def set_pace(self, *, speed: float | None = None, paused: bool | None = None) -> dict[str, Any]:
        """Change the speed, stop or restart the time. Refused for an invalid speed."""
        loop = _paced()
        was_paused = loop.is_paused
        if speed is not None:
            try:
                loop.set_speed(speed)
            except ValueError as refusal:
                raise Refused(str(refusal)) from refusal
        if was_paused if paused is None else paused:
            loop.pause()
        else:
            loop.resume()
        return self.told()

    async def step(self, count: int = 1) -> dict[str, Any]:
        """Advance to the next timer and let it fire, that many times."""
        loop = _paced()
        if not 1 <= count <= MOST_STEPS:
            raise Refused(f"so many steps are taken at once: 1 to {MOST_STEPS}, not {count}")
        passed_s = 0.0
        for _ in range(count):
            passed_s += await loop.step()
        return {**self.told(), "passed_s": round(passed_s, 6)}

    async def jump(self, seconds: float) -> dict[str, Any]:
        """Let that much time pass at once: everything due in it happens, in its order."""
        loop = _paced()
        if seconds > (most_s := self._fleet.clock.left_s(loop.time())):
            raise Refused(f"dates end before the year 9999: a jump takes at most {most_s} seconds now, not {seconds:g}")
        try:
            await loop.jump(seconds)
        except ValueError as refusal:
            raise Refused(str(refusal)) from refusal
        return {**self.told(), "passed_s": seconds}


def _paced() -> PacedLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, PacedLoop):
        raise Conflict("the time of this simulation cannot be paced: it runs on a loop that has its own; serve it with --control-port")
    return loop
