"""A fleet of two hosts in this process, and calls to it that may fare badly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.faults import Faults
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.inprocess import InProcess

T = TypeVar("T")
HOST = "xs00001"
OTHER = "xs00002"


class Bench:
    """A fleet of two hosts and a session on the first."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.session = ""

    @property
    def faults(self) -> Faults:
        """The fleet's."""
        return self.fleet.faults

    @property
    def xapi(self) -> Xapi:
        """The first host's."""
        return self.fleet.hosts[HOST]

    async def call(self, method: str, *params: Any, host: str = HOST) -> Any:
        """A call with the session, through the faults."""
        given = [*params] if method.startswith("session.login") else [self.session, *params]
        return await InProcess(self.fleet.xapi_of(host)).call(method, given)


def over_fleet(body: Callable[[Bench], Awaitable[T]], settings: Settings | None = None, *, pool_size: int = 1) -> T:
    """Run a test's body on virtual time over a fresh fleet, logged in."""

    async def main() -> T:
        bench = Bench(Fleet(Order(hosts=2, pool_size=pool_size), settings or Settings()))
        bench.session = await bench.call("session.login_with_password", "root", "xenroot")
        try:
            return await body(bench)
        finally:
            await bench.fleet.close()

    return run_virtual(main())
