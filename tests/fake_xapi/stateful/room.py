"""A simulated host on a clock that stands still between the calls of a test that decides what comes next as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import VirtualTimeLoop
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.state.world import World

T = TypeVar("T")


class Room:
    """A fleet of one order on a loop of its own, and a session. What is busy refuses; operations take what they take on a real host."""

    def __init__(self, order: Order) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.fleet = self.run(self._made(order))
        self.xapi: Xapi = next(iter(self.fleet.hosts.values()))
        self.session = ""
        self.session = str(self.call("session.login_with_password", "root", "xenroot"))

    @staticmethod
    async def _made(order: Order) -> Fleet:
        return Fleet(order, Settings(durations=durations("realistic"), waits_for_busy=False))

    @property
    def world(self) -> World:
        """The world of the host."""
        return self.xapi.world

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the clock go until some work is done."""
        return self.runner.run(work)

    def call(self, method: str, *params: Any) -> Any:
        """The answer of a call; Failure as the client sees it."""
        return self.run(self._answer(method, [self.session, *params] if self.session else list(params)))

    def refusal(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call, [] when it was served."""
        try:
            self.call(method, *params)
        except Failure as failure:
            return failure.details
        return []

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def close(self) -> None:
        """End what runs."""
        self.run(self.fleet.close())
        self.runner.close()

    async def _answer(self, method: str, params: list[Any]) -> Any:
        outcome = self.xapi.dispatch(method, params)
        answer = await outcome if asyncio.iscoroutine(outcome) else outcome
        return answer.value() if hasattr(answer, "value") else answer
