"""The copy of a VM on its XenServer host: its disk, its record, its power. Everything is found again by the mark of its move.

May not know where the bytes come from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.firstgen.guests import Guest
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import start
from compute_core.xenapi.records import GIB, vbd_record, vdi_record, vif_record, vm_record
from compute_core.xenapi.removal import remove_vm
from compute_core.xenapi.session import XenApi


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of the copy: the original's address on a network of the new host."""

    mac: str
    network: str


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of ``guest`` that the move ``move`` makes. ``vm_mode`` is how it boots, as image properties say it.

    ``uuids`` are those of the VDI and the VM, by class, once they are known: names may be changed by whoever works with the copy.
    """

    xapi: XenApi
    place: Place
    guest: Guest
    move: str
    uuids: Mapping[str, str]
    vm_mode: str = "xen"

    async def disk(self, size_bytes: int) -> str:
        """The ref of the VDI, made where it is not there yet."""
        record = vdi_record(self.place.sr, self.guest.name, size_bytes, {marks.MOVE: self.move, marks.DISK: "root"})
        return await self._found("VDI") or await self._created("VDI", record)

    async def remove_disk(self) -> None:
        """Destroy the VDI, if there is one."""
        for vdi in await self._all("VDI"):
            await destroy(self.xapi, "VDI", vdi)

    async def vm(self, vdi: str, interfaces: tuple[Interface, ...]) -> str:
        """The ref of the VM with its disk and its interfaces, each made where it is not there yet."""
        vm = await self._found("VM") or await self._created("VM", self._record())
        if not await self._part("VBD", {"VM": vm, "VDI": vdi}):
            await self._make("VBD", vbd_record(vm, vdi), {"VM": vm, "VDI": vdi})
        for device, interface in enumerate(interfaces):
            where = {"VM": vm, "device": str(device)}
            if not await self._part("VIF", where):
                await self._make("VIF", vif_record(vm, interface.network, _vif(interface, device)), where)
        return vm

    async def uuid(self, cls: str, ref: str) -> str:
        """By which the copy's VDI or VM is known for good."""
        uuid: str = await self.xapi.call(f"{cls}.get_uuid", ref)
        return uuid

    async def start(self, vm: str) -> None:
        """Let the copy run, where it does not."""
        await start(self.xapi, self.place, vm)

    async def power_state(self) -> str:
        """The copy's; "" when there is none."""
        return next((record["power_state"] for record in (await self._all("VM")).values()), "")

    async def remove_vm(self) -> None:
        """Stop and destroy the VM, if there is one; its disk stays."""
        for vm in await self._all("VM"):
            await remove_vm(self.xapi, vm)

    def _record(self) -> dict[str, Any]:
        guest = self.guest
        flavor = Flavor("firstgen", "firstgen", guest.config.memory_mib, guest.config.vcpus, -(-guest.size_bytes // GIB))
        instance = Instance(self.move, guest.name, "", "", flavor, "", "", "")
        image = Image("", "", "active", "", "", "", properties={"vm_mode": self.vm_mode})
        own = {
            "name_label": guest.name,
            "name_description": "moved from the first generation",
            "other_config": {marks.MOVE: self.move},
            "xenstore_data": {"vm-data/hostname": guest.name},
        }
        return vm_record(instance, image, self.place.host) | own

    async def _created(self, cls: str, record: Mapping[str, Any]) -> str:
        create: Awaitable[str] = self.xapi.call(f"{cls}.create", record)
        return await certain(create, lambda: self._found(cls))

    async def _make(self, cls: str, record: Mapping[str, Any], where: Mapping[str, str]) -> None:
        await certain(self.xapi.call(f"{cls}.create", record), lambda: self._part(cls, where))

    async def _part(self, cls: str, where: Mapping[str, str]) -> str | None:
        return next(iter(await all_of(self.xapi, cls, where)), None)

    async def _found(self, cls: str) -> str | None:
        return next(iter(await self._all(cls)), None)

    async def _all(self, cls: str) -> Mapping[str, Any]:
        where = {"uuid": self.uuids[cls]} if cls in self.uuids else {"name__label": self.guest.name}
        named = await all_of(self.xapi, cls, where)
        return {ref: record for ref, record in named.items() if record["other_config"].get(marks.MOVE) == self.move}


def _vif(interface: Interface, device: int) -> Vif:
    """What the record needs of it; addresses are the system's own affair, as they were."""
    return Vif("", interface.mac, "", "", "", "", 0, "", device, is_secured=False)
