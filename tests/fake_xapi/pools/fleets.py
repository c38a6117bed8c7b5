"""Fleets of pools on virtual time, and calls to their hosts at their own addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.rules import Dead, Rule
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

T = TypeVar("T")
MASTER, SECOND, THIRD = "xs00001", "xs00002", "xs00003"


@dataclass(slots=True)
class Pool:
    """A fleet whose first pool is looked at; calls go to its master with a session of its own."""

    fleet: Fleet
    session: str = ""

    @property
    def xapi(self) -> Xapi:
        """What answers at the first host."""
        return self.fleet.hosts[MASTER]

    @property
    def world(self) -> World:
        """The first pool's world."""
        return self.xapi.world

    def host(self, name: str) -> str:
        """The ref of a host of the first pool."""
        (found,) = self.world.named("host", name)
        return self.world.ref(found)

    def id(self, ref: str) -> Id:
        """The object of a ref."""
        return self.world.find_ref(ref)

    def row(self, ref: str) -> Row:
        """The row of a ref."""
        return self.world[self.id(ref)]

    @property
    def pool(self) -> Row:
        """The pool's row."""
        return self.world[POOL]

    def set(self, ref: str, **fields: Any) -> None:
        """Write fields behind XAPI's back."""
        with self.world.edit() as edit:
            edit.set(self.id(ref), **fields)

    def is_live(self, ref: str) -> bool:
        """Whether the pool knows a host to live."""
        return bool(self.world[self.row(ref)["metrics"]]["live"])

    async def call(self, method: str, *params: Any) -> Any:
        """A call to the first host."""
        return await at(self.xapi, method, self.session, *params)

    async def refused(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call to the first host that must fail."""
        return await refused(self.xapi, method, self.session, *params)

    def kill(self, name: str) -> int:
        """Let a host die; the handle of the fault."""
        return self.fleet.faults.add(Rule(Dead(), host=name))


async def at(xapi: Any, method: str, *params: Any) -> Any:
    """A call as it is, to whatever answers."""
    answer = xapi.dispatch(method, list(params))
    return await answer if asyncio.iscoroutine(answer) else answer


async def refused(xapi: Any, method: str, *params: Any) -> list[str]:
    """The ErrorDescription of a call that must fail."""
    try:
        answer = await at(xapi, method, *params)
    except Failure as failure:
        return failure.details
    raise AssertionError(f"{method} answered {answer!r}")


async def logged_in(xapi: Any) -> str:
    """A session."""
    return str(await at(xapi, "session.login_with_password", "root", "xenroot"))


def over_pool(
    body: Callable[[Pool], Awaitable[T]], hosts: int = 3, pool_size: int = 3, release: str = "latest", settings: Settings | None = None
) -> T:
    """Run a test's body on virtual time over a fresh fleet, logged in to its first host."""

    async def main() -> T:
        fleet = Fleet(Order(hosts=hosts, pool_size=pool_size, personality=release), settings or Settings())
        pool = Pool(fleet)
        pool.session = await logged_in(pool.xapi)
        try:
            return await body(pool)
        finally:
            await fleet.close()

    return run_virtual(main())
