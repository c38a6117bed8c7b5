"""Guests that a fleet's hosts have from the first moment: one host is populated through XenAPI, and all others start as copies of it.

Each host has names and MAC addresses of its own; everything that is the same on all hosts is kept once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.golden import Golden, golden
from fake_xapi.fleet.hardware import GIB, Hardware
from fake_xapi.guest import addresses
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.verbs.networks.mac_addresses import derived_mac

T = TypeVar("T")

MEMORY_BYTES = GIB
BOOTED_S = 3600.0
HALTED_EACH = 8
"""One VM in this many is halted, the others run."""
CHAIN = 20
"""The most snapshots of a disk that a chain of VHDs allows."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM of the populated host with its VIFs, and the snapshots of it with theirs."""

    vm: Id
    vifs: tuple[Id, ...]
    snapshots: tuple[tuple[Id, tuple[Id, ...]], ...]


@dataclass(frozen=True, slots=True)
class Population:
    """The state of a populated host, and its guests."""

    value: Value
    guests: tuple[Guest, ...]


def share(total: int, hosts: int, number: int) -> int:
    """A host's share when a total is distributed evenly, by its number: the first hosts get one more."""
    return total // hosts + (number < total % hosts)


@cache
def population(release: str, hardware: Hardware, vms: int, snapshots: int) -> Population:
    """A host with that many VMs and snapshots of them; ValueError names what does not fit."""
    if vms * MEMORY_BYTES > hardware.memory_bytes - hardware.control_domain_bytes:
        raise ValueError(
            f"{vms} VMs of {MEMORY_BYTES // GIB} GiB do not fit into a host's {hardware.memory_bytes // GIB} GiB; have more hosts"
        )
    if snapshots > vms * CHAIN:
        raise ValueError(f"{snapshots} snapshots are more than {CHAIN} for each of {vms} VMs; have more VMs")
    base = golden(release, hardware)
    return _apart(_populated(base, vms, snapshots))


def settle(world: World, people: Population, name: str, address: str) -> None:
    """Make the guests those of one host: named after it, with MAC and IP addresses and consoles of their own."""
    with world.edit() as edit:
        for number, guest in enumerate(people.guests, start=1):
            mac_seed = f"{world.seed}/{number}"
            _rename(edit, guest.vm, f"{name}-vm{number:03d}", mac_seed, guest.vifs)
            for count, (snapshot, vifs) in enumerate(guest.snapshots, start=1):
                _rename(edit, snapshot, f"{name}-vm{number:03d} snapshot {count}", mac_seed, vifs)
    with world.edit() as edit:
        for guest in people.guests:
            _address(edit, world, guest.vm, address)


def _address(edit: Edit, world: World, vm: Id, host_address: str) -> None:
    """Set a VM's console locations, and the addresses that DHCP gave its guest; halted ones have neither."""
    row = world[vm]
    for console in row["consoles"]:
        edit.set(console, location=f"https://{host_address}/console?uuid={world.uuid(console)}")
    if row["guest_metrics"]:
        edit.set(row["guest_metrics"], networks=addresses.networks(world, row))


def _rename(edit: Edit, vm: Id, name: str, mac_seed: str, vifs: tuple[Id, ...]) -> None:
    edit.set(vm, name_label=name, other_config={**edit[vm]["other_config"], "mac_seed": mac_seed})
    for device, vif in enumerate(vifs):
        edit.set(vif, MAC=derived_mac(mac_seed, device))


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run on a separate virtual clock, in a thread: whoever makes a fleet has a loop running already."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run_virtual, work).result()


async def _populated(base: Golden, vms: int, snapshots: int) -> Population:
    disks = DiskStore()
    xapi = Xapi(base.world.fork(), base.host, disks)
    try:
        guests = await _Settlers(xapi).arrive(vms, snapshots)
        return Population(xapi.world.value, guests)
    finally:
        await xapi.close()
        disks.close()


class _Settlers:
    """Creates VMs through calls, as a client would."""

    def __init__(self, xapi: Xapi) -> None:
        self._xapi = xapi
        self._session = xapi.world.ref(xapi.sessions.begin("root", "population"))

    async def arrive(self, vms: int, snapshots: int) -> tuple[Guest, ...]:
        """Create that many VMs, most of them running and booted, with that many snapshots among them."""
        made = [await self._vm(number) for number in range(vms)]
        await _booted()
        taken = [await self._snapshots(vm, share(snapshots, vms, number)) for number, vm in enumerate(made)]
        await self._call("session.logout")
        self._forget_messages()
        return tuple(self._guest(vm, its) for vm, its in zip(made, taken, strict=True))

    def _forget_messages(self) -> None:
        world = self._xapi.world
        with world.edit() as edit:
            for message in list(world.ids("message")):
                edit.destroy(message)

    def _guest(self, vm: str, snapshots: list[str]) -> Guest:
        world = self._xapi.world
        found = [world.find_ref(snapshot) for snapshot in snapshots]
        own = world.find_ref(vm)
        return Guest(own, world[own]["VIFs"], tuple((snapshot, world[snapshot]["VIFs"]) for snapshot in found))

    async def _vm(self, number: int) -> str:
        """Create a VM from a template with a disk and a NIC, as an installer leaves it."""
        vm: str = await self._call("VM.clone", self._template(), "vm")
        await self._call("VM.provision", vm)
        await self._call("VM.set_memory_limits", vm, *[str(MEMORY_BYTES)] * 4)
        await self._call("VIF.create", {**_NIC, "VM": vm, "network": self._network()})
        if number % HALTED_EACH != HALTED_EACH - 1:
            await self._call("VM.start", vm, False, False)
        return vm

    async def _snapshots(self, vm: str, count: int) -> list[str]:
        return [await self._call("VM.snapshot", vm, "snapshot") for _ in range(count)]

    def _template(self) -> str:
        """The first template that has a disk."""
        world = self._xapi.world
        return world.ref(min(vm for vm, row in world.rows("VM") if row["is_default_template"] and "disks" in row["other_config"]))

    def _network(self) -> str:
        world = self._xapi.world
        return world.ref(next(world[pif]["network"] for pif in world[self._xapi.host]["PIFs"] if world[pif]["management"]))

    async def _call(self, method: str, *params: Any) -> Any:
        answer = self._xapi.dispatch(method, [self._session, *params])
        return await answer if asyncio.iscoroutine(answer) else answer


async def _booted() -> None:
    """Wait until every guest has reported everything."""
    await asyncio.sleep(BOOTED_S)


_NIC: dict[str, Any] = {
    "device": "0", "MAC": "", "MTU": "1500", "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {},
}  # fmt: skip
