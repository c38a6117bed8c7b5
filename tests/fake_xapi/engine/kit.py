"""A small XAPI for tests: one host, a session, and calls that are answered or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World

T = TypeVar("T")


@dataclass(slots=True)
class Kit:
    """A XAPI and a session on it."""

    xapi: Xapi
    session: str = ""

    @property
    def world(self) -> World:
        """The XAPI's world."""
        return self.xapi.world

    async def raw(self, method: str, *params: Any) -> Any:
        """A call exactly as given."""
        outcome = self.xapi.dispatch(method, list(params))
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    async def call(self, method: str, *params: Any) -> Any:
        """A call with the session."""
        return await self.raw(method, self.session, *params)

    async def refused(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call that must fail, the session added."""
        return await self.raw_refused(method, self.session, *params)

    async def raw_refused(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call that must fail, exactly as given."""
        try:
            answer = await self.raw(method, *params)
        except Failure as failure:
            return failure.details
        raise AssertionError(f"{method} answered {answer!r}")

    def make(self, cls: str, **fields: Any) -> str:
        """An object put straight into the world; its ref."""
        return self.world.ref(self.made(cls, **fields))

    def made(self, cls: str, **fields: Any) -> Id:
        """An object put straight into the world; its id."""
        with self.world.edit() as edit:
            return edit.create(cls, **fields)


def over_xapi(body: Callable[[Kit], Awaitable[T]], release: str = "latest", settings: Settings | None = None) -> T:
    """Run a test's body on virtual time over a fresh XAPI, logged in."""

    async def main() -> T:
        world = World(Value.empty(), "7", personality(release))
        with world.edit() as edit:
            edit.create("pool")
            host = edit.create("host", name_label="h", hostname="h", enabled=True)
        kit = Kit(Xapi(world, host, DiskStore(), settings or Settings()))
        kit.session = await kit.raw("session.login_with_password", "root", "xenroot")
        try:
            return await body(kit)
        finally:
            await kit.xapi.close()

    return run_virtual(main())
