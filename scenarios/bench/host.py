"""A simulated host inside the benchmark's own process, for measurements without a wire."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import DEFAULT_SETTINGS, Xapi
from fake_xapi.fleet.fleet import Fleet, Order

T = TypeVar("T")


class Host:
    """One host and a session on it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.xapi: Xapi = next(iter(fleet.hosts.values()))
        self.session = ""

    async def call(self, method: str, *params: Any) -> Any:
        """Make a call with the session added."""
        outcome = self.xapi.dispatch(method, [self.session, *params] if self.session else list(params))
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    async def by_task(self, method: str, *params: Any, every_s: float = 0.0) -> None:
        """Start an operation and wait until its task has ended, checking it in the database: polling is not part of the measurement."""
        world = self.xapi.world
        task = world.find_ref(await self.call(method, *params))
        while world[task]["status"] == "pending":  # noqa: ASYNC110  # what waits must cost as little as can be
            await asyncio.sleep(every_s)

    def objects(self) -> int:
        """The number of objects, messages excluded: operators read and delete those."""
        world = self.xapi.world
        return sum(world.count(cls) for cls in world.personality.classes if cls != "message")

    async def make_vm(self, name: str, template: str, network: str, sr: str) -> str:
        """A VM with a disk and a NIC."""
        vm: str = await self.call("VM.clone", template, name)
        await self.call("VM.set_is_a_template", vm, False)
        disk = {
            "name_label": name, "name_description": "", "SR": sr, "virtual_size": "1073741824", "type": "user", "sharable": False,
            "read_only": False, "other_config": {},
        }  # fmt: skip
        vdi = await self.call("VDI.create", disk)
        drive = {
            "VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "other_config": {},
            "qos_algorithm_type": "", "qos_algorithm_params": {},
        }  # fmt: skip
        await self.call("VBD.create", drive)
        nic = {
            "device": "0", "network": network, "VM": vm, "MAC": "", "MTU": "1500", "other_config": {}, "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }  # fmt: skip
        await self.call("VIF.create", nic)
        return vm

    def places(self) -> tuple[str, str, str]:
        """A template, a network and the local storage, for ``make_vm``."""
        world = self.xapi.world
        (template,) = world.named("VM", "Debian Bookworm 12")
        (network,) = world.named("network", "Pool-wide network associated with eth0")
        (storage,) = world.named("SR", "Local storage")
        return world.ref(template), world.ref(network), world.ref(storage)


async def on_host(work: Callable[[Host], Awaitable[T]], settings: Settings = DEFAULT_SETTINGS) -> T:
    """The result of some work on a fresh host."""
    host = Host(Fleet(Order(), settings))
    host.session = await host.call("session.login_with_password", "root", "xenroot")
    try:
        return await work(host)
    finally:
        await host.fleet.close()


async def cpu_us(work: Callable[[], Awaitable[Any]], count: int) -> float:
    """CPU time of one iteration, in microseconds: the best of three runs, after garbage collection."""
    best_s = float("inf")
    for _ in range(3):
        gc.collect()
        began_s = time.process_time()
        for _ in range(count):
            await work()
        best_s = min(best_s, time.process_time() - began_s)
    return best_s / count * 1e6
