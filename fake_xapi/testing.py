"""Fixtures for other people's tests: ``def test_x(xapi): session = XenAPI.Session(xapi.url)``.

A pytest plugin of this distribution. Each simulator runs on a loop of its own in a thread of its own, at a port that was free, and is
gone when the test ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.faults import Faults
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.state.world import World
from fake_xapi.transports.http import HttpServer

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
        """The host's world: a value to read from; use ``in_loop`` to change it."""
        return self.in_loop(lambda xapi: xapi.world)

    def disturb(self, work: Callable[[Faults], T]) -> T:
        """Add or remove faults: ``xapi.disturb(lambda faults: faults.add(Rule(Delay(2.0), message="VM.start")))``."""
        return self._served.in_loop(lambda fleet: work(fleet.faults))


class _Served:
    """A fleet served in a thread."""

    def __init__(self, order: Order, settings: Settings) -> None:
        self._order, self._settings = order, settings
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Fleet, int]] = Future()
        self._thread = threading.Thread(target=self._run, name="simulated XAPI", daemon=True)
        self._thread.start()
        self._loop, self._fleet, self._port = self._ready.result()

    def hosts(self) -> list[SimulatedXapi]:
        """Every host of the fleet."""
        user, password = self._settings.user, self._settings.password
        sites = self._fleet.sites()
        return [SimulatedXapi(site.name, f"http://{site.address}:{self._port}", user, password, self) for site in sites]

    def in_loop(self, look: Callable[[Fleet], T]) -> T:
        """What a function of the fleet answers, asked on its loop."""

        async def asked() -> T:
            return look(self._fleet)

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result()

    def close(self) -> None:
        """End the fleet and its thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        fleet = Fleet(self._order, self._settings)
        async with HttpServer(fleet) as server:
            port = await server.listen(0)
            self._ready.set_result((asyncio.get_running_loop(), fleet, port))
            await self._stop.wait()
        await fleet.close()


FleetMaker = Callable[..., list[SimulatedXapi]]


@pytest.fixture
def xapi_fleet() -> Iterator[FleetMaker]:
    """Makes simulated hosts: ``xapi_fleet(hosts=3, personality="clearwater", seed=7, settings=Settings(...))``."""
    served: list[_Served] = []

    def make(hosts: int = 1, personality: str = "latest", seed: int = 0, settings: Settings | None = None) -> list[SimulatedXapi]:
        made = _Served(Order(hosts=hosts, personality=personality, seed=seed), settings or Settings())
        served.append(made)
        return made.hosts()

    yield make
    for each in served:
        each.close()


@pytest.fixture
def xapi(xapi_fleet: FleetMaker) -> SimulatedXapi:
    """One simulated host of the newest release, whose operations take no time: ``XenAPI.Session(xapi.url)``."""
    return xapi_fleet()[0]
