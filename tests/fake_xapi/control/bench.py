"""A controlled fleet in this process, for tests of what can be done to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from fake_xapi.control.simulation import Simulation
from fake_xapi.engine.durations import profiles
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.inprocess import InProcess

T = TypeVar("T")
HOST = "xs00001"
MIB = 1 << 20


class Bench:
    """A controlled fleet in this process, and a session on its first host."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.simulation = Simulation(fleet, folder)
        self.session = ""

    @property
    def xapi(self) -> Xapi:
        return self.fleet.hosts[HOST]

    async def call(self, method: str, *params: Any) -> Any:
        given = [*params] if method.startswith("session.login") else [self.session, *params]
        return await InProcess(self.fleet.xapi_of(HOST)).call(method, given)

    async def network(self, name: str) -> str:
        return str(await self.call("network.create", {"name_label": name, "other_config": {}}))

    async def disk(self) -> str:
        [pool] = (await self.call("pool.get_all_records")).values()
        record = {"name_label": "d", "SR": pool["default_SR"], "virtual_size": str(2 * MIB), "type": "user", "other_config": {}}
        return str(await self.call("VDI.create", {**record, "sharable": False, "read_only": False}))

    async def vm(self) -> str:
        [template, *_] = await self.call("VM.get_by_name_label", "Debian Bookworm 12")
        vm = str(await self.call("VM.clone", template, "web"))
        await self.call("VM.provision", vm)
        return vm

    def generation(self) -> int:
        return self.xapi.world.generation

    def journal(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.simulation.journal(HOST)["entries"]
        return entries


def controlled(body: Callable[[Bench], Awaitable[T]], folder: Path = Path(), order: Order | None = None, profile: str = "realistic") -> T:
    async def main() -> T:
        bench = Bench(Fleet(order or Order(2, 7), Settings(durations=profiles()[profile])), folder)
        bench.session = await bench.call("session.login_with_password", "root", "xenroot")
        try:
            return await body(bench)
        finally:
            bench.simulation.close()
            await bench.fleet.close()

    return run_virtual(main())
