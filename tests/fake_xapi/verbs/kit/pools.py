"""Two pools in one process, or two processes' worth of them, for tests of what goes from one to the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.durations import Durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.surroundings import Alone
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.lifecycle.storage_types import driver_features
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.transports.remotes import Neighbour, unreachable
from fake_xapi.verbs.migrations.remote import Remote
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, furnish

T = TypeVar("T")


class Process(Alone):
    """The surroundings of pools that reach each other without a wire; an address that is ``lost`` is not there."""

    def __init__(self) -> None:
        self.pools: dict[str, Xapi] = {}
        self.lost: set[str] = set()
        self.dialled: list[str] = []

    def dial(self, address: str) -> Remote:
        self.dialled.append(address)
        if address not in self.pools or address in self.lost:
            raise unreachable(address)
        return Neighbour(address, self.pools[address])

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        raise unreachable(url)


@dataclass(slots=True)
class Pools:
    """Where VMs are at first, and where they go."""

    here: Host
    there: Host
    process: Process

    async def dest(self) -> dict[str, str]:
        """What the other pool says of the host that waits."""
        return dict(await self.there.call("host.migrate_receive", self.there.host, self.there.network, {}))

    def maps(self, vm: str) -> tuple[dict[str, str], dict[str, str]]:
        """All disks to the SR there, all interfaces to the network there."""
        world, row = self.here.world, self.here.row(vm)
        disks = (world[vbd] for vbd in row["VBDs"])
        vdis = {world.ref(disk["VDI"]): self.there.sr for disk in disks if disk["type"] == "Disk" and disk["VDI"]}
        return vdis, {world.ref(vif): self.there.network for vif in row["VIFs"]}

    async def send(self, vm: str, **options: str) -> str:
        """Migrate, and give the ref there."""
        vdis, vifs = self.maps(vm)
        return str(await self.here.call("VM.migrate_send", vm, await self.dest(), True, vdis, vifs, options))


def over_pools(
    body: Callable[[Pools], Awaitable[T]], release: str = "latest", settings: Settings | None = None, *, shares_bytes: bool = True
) -> T:
    """Run a test's body on virtual time over two pools of one host each."""

    async def main() -> T:
        process, disks = Process(), DiskStore()
        hosts = [await _pool(number, process, disks if shares_bytes else DiskStore(), release, settings) for number in (1, 2)]
        try:
            return await body(Pools(hosts[0], hosts[1], process))
        finally:
            for host in hosts:
                await host.kit.xapi.close()

    return run_virtual(main())


async def _pool(number: int, process: Process, disks: DiskStore, release: str, settings: Settings | None) -> Host:
    world = World(Value.empty(), f"pool {number}", personality(release))
    with world.edit() as edit:
        edit.create("pool")
        host = edit.create("host", name_label=f"h{number}", hostname=f"h{number}", enabled=True)
    xapi = Xapi(world, host, disks.fork(), settings or Settings())
    xapi.around = process
    kit = Kit(xapi, await _logged_in(xapi))
    made = furnish(kit)
    complete(made, f"10.0.0.{number}")
    process.pools[f"10.0.0.{number}"] = xapi
    return made


async def _logged_in(xapi: Xapi) -> str:
    return str(await Kit(xapi).raw("session.login_with_password", "root", "xenroot"))


def complete(host: Host, address: str) -> None:
    """What a host needs beyond a start of VMs: an address on its network, drivers with their features."""
    world = host.world
    era = world.personality.era
    with world.edit() as edit:
        edit.set(host.id(host.host), address=address, software_version={"product_version": "8.0.0", "platform_version": "3.4.0"})
        edit.set(host.row(host.network)["PIFs"][0], IP=address, ip_configuration_mode="Static", currently_attached=True)
        for kind in ("ext", "iso", "lvm", "nfs"):
            features = sorted(driver_features(kind, era))
            edit.create("SM", type=kind, capabilities=tuple(features), features=dict.fromkeys(features, 1))


def second_host(host: Host, address: str = "10.0.0.9") -> tuple[str, str]:
    """Another host of the pool with an SR of its own: refs of both."""
    made = add_host(host, address=address, capabilities=("hvm-3.0-x86_64",), cpu_info=host.row(host.host)["cpu_info"])
    with host.world.edit() as edit:
        edit.set(host.id(made), software_version=dict(host.row(host.host)["software_version"]))
        for number in range(8):
            edit.create("host_cpu", host=host.id(made), number=number)
        pif = host.row(made)["PIFs"][0]
        edit.set(pif, IP=address, ip_configuration_mode="Static", currently_attached=True)
        sr = edit.create("SR", name_label="Other storage", type="lvm", content_type="user", physical_size=200 * GIB)
        edit.create("PBD", SR=sr, host=host.id(made), currently_attached=True)
    return made, host.world.ref(sr)


def share(host: Host, sr: str, other: str) -> None:
    """Connect another host to an SR."""
    with host.world.edit() as edit:
        edit.create("PBD", SR=host.id(sr), host=host.id(other), currently_attached=True)
        edit.set(host.id(sr), shared=True)


async def running(host: Host, size: int = 4 * MIB, **fields: Any) -> tuple[str, str]:
    """A VM that runs, its guest up, with a disk that holds something; refs of VM and VDI."""
    vm = await host.vm(**fields)
    vdi = await host.disk(size)
    await host.vbd(vm, vdi)
    await host.vif(vm)
    host.write(vdi, 5, b"content")
    await host.call("VDI.update", vdi)
    await host.call("VM.start", vm, False, False)
    await guest_up(host, vm)
    return vm, vdi


async def guest_up(host: Host, vm: str) -> None:
    """Wait for the guest's agent."""
    for _ in range(1000):
        metrics = host.world.get(host.row(vm)["guest_metrics"])
        if metrics is not None and metrics["live"]:
            return
        await asyncio.sleep(1)
    raise AssertionError("the guest does not come up")


def state(host: Host) -> dict[str, Any]:
    """What a failed migration may not change."""
    classes = ("VM", "VDI", "VBD", "VIF", "SR", "network", "console", "VM_metrics", "VM_guest_metrics", "VBD_metrics", "VIF_metrics")
    return {cls: sorted((identity, row.values) for identity, row in host.world.rows(cls)) for cls in classes}


def disks(host: Host) -> set[Any]:
    return set(host.kit.xapi.disks.keys())


def bytes_of(host: Host, vm: str) -> list[bytes]:
    vbds = [host.world[vbd] for vbd in host.row(vm)["VBDs"]]
    return [host.kit.xapi.disks.read(vbd["VDI"], 0, 12) for vbd in vbds if vbd["VDI"]]


class Breaking(Durations):
    """A profile in which one phase fails instead of taking time."""

    def __init__(self, phase: str) -> None:
        super().__init__("breaking")
        object.__setattr__(self, "operations", {"broken": phase})

    def seconds(self, what: str, bytes_moved: int, rng: Any) -> float:
        if what == self.operations["broken"]:  # type: ignore[comparison-overlap]
            raise Failure("INTERNAL_ERROR", what)
        return 0.0
