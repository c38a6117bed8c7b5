"""Agents whose hosts are put out of use, booted and switched off, and a cloud of them. Their hosts are tables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compute_core.model.errors import Conflict
from compute_core.model.hosts import HostReport
from compute_core.model.instances import RUNNING
from tests.compute_core.cells.cloud import Cloud
from tests.compute_core.cells.movers import Mover


@dataclass
class Keeper(Mover):
    """Its host boots in ``boot_s``. ``refused`` is what it says to requests, by request; ``tended`` are those that it was given."""

    boot_s: float = 60.0
    is_host_enabled: bool = True
    is_live: bool = True
    boots: int = 1
    pool: str = ""
    is_master: bool = True
    refused: dict[str, str] = field(default_factory=dict)
    tended: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        await super().start()
        assert self._serving is not None
        await self._serving.close()
        names = ("build", "destroy", "act", "query", "ping", "peer", "tend")
        self._serving = await self.bus.serve(f"compute.{self.host}", {name: getattr(self, name) for name in names})

    def report(self) -> HostReport:
        return replace(super().report(), pool=self.pool, is_master=self.is_master)

    async def tend(self, request: str, arguments: Mapping[str, Any]) -> Any:
        self.tended.append(request)
        if request in self.refused:
            raise Conflict(f"{self.host}: {request} is refused: {self.refused[request]}")
        return {"answer": await getattr(self, f"_{request}")(arguments)}

    async def _state(self, _: Mapping[str, Any]) -> Any:
        return {"is_enabled": self.is_host_enabled, "is_live": self.is_live, "boot_time": str(self.boots), "pool": self.pool}

    async def _disable(self, _: Mapping[str, Any]) -> None:
        self.is_host_enabled = False

    async def _enable(self, _: Mapping[str, Any]) -> None:
        self.is_host_enabled = True

    async def _reboot(self, arguments: Mapping[str, Any]) -> None:
        if arguments["boot_time"] == str(self.boots):
            assert RUNNING not in self.vms.values()
            await self._shutdown(arguments)
            self._later(self._boot())

    async def _shutdown(self, _: Mapping[str, Any]) -> None:
        self.is_live = self.is_host_enabled = False

    async def _power_on(self, arguments: Mapping[str, Any]) -> None:
        (other,) = [each for each in self.others.values() if f"uuid-{each.host}" == arguments["uuid"]]
        assert isinstance(other, Keeper)
        await other._boot()

    async def _boot(self) -> None:
        await asyncio.sleep(self.boot_s)
        self.is_live = self.is_host_enabled = True
        self.boots += 1

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def add_keepers(it: Cloud, *names: str, **options: Any) -> dict[str, Keeper]:
    """Hosts with such agents."""
    keepers = {name: Keeper(it.bus, name, **options) for name in names}
    for name, keeper in keepers.items():
        keeper.others = dict(keepers)
        it.agents[name] = keeper
        await keeper.start()
    return keepers
