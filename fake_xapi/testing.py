"""Fixtures for other people's tests: ``def test_x(xapi): session = XenAPI.Session(xapi.url)``.

A pytest plugin of this distribution. Each simulator runs on a loop of its own in a thread of its own, at a port that was free, and is
gone when the test ends. What it needs is imported when a test first asks for it: other test runs pay nothing for the plugin.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from fake_xapi.engine.settings import Settings
    from fake_xapi.engine.xapi import Xapi
    from fake_xapi.faults.rules import Rule
    from fake_xapi.fleet.fleet import Fleet, Order
    from fake_xapi.state.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SimulatedXapi:
    """One simulated host: where it is and who may log in. Look inside from ``in_loop`` only: the simulator runs in another thread."""

    name: str
    url: str
    user: str
    password: str = field(repr=False)
    _served: _Served = field(repr=False)

    def in_loop(self, look: Callable[[Xapi], T]) -> T:
        """What a function of the running XAPI answers, asked on the simulator's own loop."""
        return self._served.in_loop(lambda fleet: look(fleet.hosts[self.name]))

    @property
    def world(self) -> World:
        """The host's world as it is now: a value of your own, to read from. Use ``in_loop`` to change the host's."""
        return self.in_loop(lambda xapi: xapi.world.fork())

    @property
    def faults(self) -> SimulatedFaults:
        """What goes wrong: ``xapi.faults.add(Rule(Delay(2.0), message="VM.start"))``. Shared by the hosts of a fleet."""
        return SimulatedFaults(self._served)


@dataclass(frozen=True, slots=True)
class SimulatedFaults:
    """The rules of ``fake_xapi.faults``, from the test's thread."""

    _served: _Served

    def add(self, rule: Rule) -> int:
        """Put a rule in force; the handle to remove it with."""
        return self._served.in_loop(lambda fleet: fleet.faults.add(rule))

    def remove(self, handle: int) -> None:
        """Take a rule out of force, and let go what it holds."""
        self._served.in_loop(lambda fleet: fleet.faults.remove(handle))

    def clear(self) -> None:
        """Remove all rules."""
        self._served.in_loop(lambda fleet: fleet.faults.clear())

    def hits(self, handle: int) -> int:
        """How often a rule that is in force has struck."""
        return self._served.in_loop(lambda fleet: fleet.faults.hits(handle))


class _Running(NamedTuple):
    """A fleet that is served, with what ends it."""

    loop: asyncio.AbstractEventLoop
    fleet: Fleet
    stop: asyncio.Event


class _Served:
    """A fleet served in a thread. OSError and ValueError as the fleet raises them."""

    def __init__(self, order: Order, settings: Settings) -> None:
        self._order, self._settings = order, settings
        ready: Future[_Running] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="simulated XAPI", daemon=True)
        self._thread.start()
        self._running = ready.result()

    def hosts(self) -> list[SimulatedXapi]:
        """Every host of the fleet."""
        user, password = self._settings.user, self._settings.password
        return [SimulatedXapi(site.name, site.url, user, password, self) for site in self._running.fleet.sites()]

    def in_loop(self, look: Callable[[Fleet], T]) -> T:
        """What a function of the fleet answers, asked on its loop."""

        async def asked() -> T:
            return look(self._running.fleet)

        return asyncio.run_coroutine_threadsafe(asked(), self._running.loop).result()

    def close(self) -> None:
        """End the fleet and its thread."""
        self._running.loop.call_soon_threadsafe(self._running.stop.set)
        self._thread.join()

    def _run(self, ready: Future[_Running]) -> None:
        from fake_xapi.fleet.serving import new_event_loop  # noqa: PLC0415  # see the module's docstring

        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._serve(ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: Future[_Running]) -> None:
        from fake_xapi.fleet.fleet import Fleet  # noqa: PLC0415  # see the module's docstring
        from fake_xapi.fleet.serving import served  # noqa: PLC0415  # as above

        fleet, stop = Fleet(self._order, self._settings), asyncio.Event()
        try:
            async with served(fleet):
                ready.set_result(_Running(asyncio.get_running_loop(), fleet, stop))
                await stop.wait()
        finally:
            await fleet.close()


class FleetMaker(Protocol):
    """What the fixture ``xapi_fleet`` gives."""

    def __call__(
        self, hosts: int = 1, personality: str = "latest", seed: int = 0, settings: Settings | None = None, port: int = 0
    ) -> list[SimulatedXapi]:
        """Simulated hosts that live as long as the test; ``settings`` say whose password, and how long operations take (no time).

        ``port`` is theirs at their own addresses; 0 takes one that is free.
        """
        ...


@pytest.fixture
def xapi_fleet() -> Iterator[FleetMaker]:
    """Makes simulated hosts: ``xapi_fleet(hosts=3, personality="clearwater", seed=7)``."""
    from fake_xapi.engine.settings import Settings  # noqa: PLC0415  # see the module's docstring
    from fake_xapi.fleet.addresses import has_all_loopback  # noqa: PLC0415  # as above
    from fake_xapi.fleet.fleet import Order  # noqa: PLC0415  # as above

    fleets: list[_Served] = []

    def make(
        hosts: int = 1, personality: str = "latest", seed: int = 0, settings: Settings | None = None, port: int = 0
    ) -> list[SimulatedXapi]:
        order = Order(hosts, seed, personality, port=port, has_own_addresses=has_all_loopback())
        fleets.append(_Served(order, settings or Settings()))
        return fleets[-1].hosts()

    yield make
    for fleet in fleets:
        fleet.close()


@pytest.fixture
def xapi(xapi_fleet: FleetMaker) -> SimulatedXapi:
    """One simulated host of the newest release, whose operations take no time: ``XenAPI.Session(xapi.url)``."""
    return xapi_fleet()[0]
