"""A server's VM that comes from another host, or from its own in another size: room for its disks, then the VM of them.

Whatever is made here bears the mark of its migration, and is found by it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.model.errors import Conflict
from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance, Vif
from compute_core.xenapi import marks, parcel, records
from compute_core.xenapi.certainty import all_of, certain, destroy, one_of
from compute_core.xenapi.filling import outcome
from compute_core.xenapi.interfaces import give
from compute_core.xenapi.new_disks import missing, sizes_of
from compute_core.xenapi.parcel import Parcel, ParcelDisk
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import reach
from compute_core.xenapi.server_disks import made
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.sweep import end_task
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vifs import vif_record


@dataclass(frozen=True, slots=True)
class Berth:
    """An empty VDI that waits for a disk, and the task that tells whether the disk has come."""

    vdi: str
    task: str


async def berths(xapi: XenApi, place: Place, label: str, disks: Sequence[ParcelDisk], mark: str, owner: str) -> tuple[Berth, ...]:
    """A VDI and a task for each disk of the server ``owner`` that will be sent: two calls each. What fails leaves none."""
    made: list[Berth] = []
    async with Undo(f"room for {label}") as undo:
        for disk in disks:
            vdi = await _berth(xapi, place, label, disk, mark)
            undo.add("destroy the empty VDI", lambda vdi=vdi: destroy(xapi, "VDI", vdi))  # type: ignore[misc]
            name = marks.transfer_label(mark, owner, disk.userdevice)
            task = await certain(xapi.call("task.create", name, ""), lambda name=name: one_of(xapi, "task", {"name__label": name}))  # type: ignore[misc]
            undo.add("destroy the task", lambda task=task: destroy(xapi, "task", task))  # type: ignore[misc]
            made.append(Berth(vdi, task))
    return tuple(made)


async def _berth(xapi: XenApi, place: Place, label: str, disk: ParcelDisk, mark: str) -> str:
    """The mark of its migration and its number in the VM tell it from every other disk of the same server."""
    config = {**(disk.other_config or {}), marks.MIGRATION: mark, marks.BERTH: disk.userdevice}
    record = {**records.vdi_record(place.sr, label, disk.going_bytes, config), "type": disk.vdi_type}

    async def made() -> str | None:
        vdis = await all_of(xapi, "VDI", {"name__label": label, "SR": place.sr})
        return next(
            (ref for ref, vdi in vdis.items() if is_marked(vdi, mark) and vdi["other_config"].get(marks.BERTH) == disk.userdevice), None
        )

    return await certain(xapi.call("VDI.create", record), made)


async def moored(xapi: XenApi, task: str) -> None:
    """Wait until a disk has come; raise why it has not. XAPI may answer a transfer before it has read the bytes."""
    await outcome(xapi, task, is_over=True)
    await destroy(xapi, "task", task)


async def copy_here(xapi: XenApi, disk: ParcelDisk, sr: str, mark: str, *, shares_sr: bool) -> str:
    """A copy of a disk of the same pool: copy-on-write where it stays in its SR, whole where it does not."""
    call = xapi.call("VDI.clone", disk.vdi, {}) if shares_sr else xapi.call("VDI.copy", disk.vdi, sr)
    vdi: str = await certain(call, lambda: _unmarked_copy(xapi, disk, sr))
    async with Undo("copy of a disk") as undo:
        undo.add("destroy the copy", lambda: destroy(xapi, "VDI", vdi))
        await xapi.call("VDI.set_other_config", vdi, {**(disk.other_config or {}), marks.MIGRATION: mark})
    return vdi


async def _unmarked_copy(xapi: XenApi, disk: ParcelDisk, sr: str) -> str | None:
    """A disk of the same server that no VM has: nobody else makes one while the server is being moved."""
    owner = (disk.other_config or {}).get(marks.INSTANCE)
    vdis = await all_of(xapi, "VDI", {"SR": sr, "virtual_size": str(disk.size_bytes)})
    loose = {ref: vdi for ref, vdi in vdis.items() if ref != disk.vdi and not vdi["VBDs"] and marks.instance_of(vdi) == owner}
    return next((ref for ref, vdi in loose.items() if marks.BERTH not in vdi["other_config"]), None)


async def unpacked(xapi: XenApi, place: Place, instance: Instance, flavor: Flavor, sent: Parcel, vdis: Sequence[str], mark: str) -> str:
    """The halted VM of what was sent, in the flavor's size; ``vdis`` are its disks, in the order of ``sent.moved``."""
    vifs = [vif_record(place, _network(place, vif), vif, flavor) for vif in instance.vifs]
    record = parcel.resized(sent, flavor, place.host, mark)
    ours = dict(zip((disk.userdevice for disk in sent.moved), vdis, strict=True))
    sizes = sizes_of(flavor)
    for disk in sent.moved:
        await _grow(xapi, ours[disk.userdevice], disk.going_bytes, sizes.get(disk.userdevice, 0))
    async with Undo(f"arrival of {sent.label}") as undo:
        vm: str = await certain(xapi.call("VM.create", record), lambda: arrived_vm(xapi, sent.label, mark))
        undo.add("destroy the VM", lambda: destroy(xapi, "VM", vm))
        for disk in sent.disks:
            await _attach(xapi, vm, parcel.vbd_record(vm, ours.get(disk.userdevice, ""), disk))
        for blank in missing(instance, flavor, sent):
            await _attach(xapi, vm, records.drive_record(vm, await made(xapi, place, instance, blank, undo)))
        for vif in vifs:
            await give(xapi, vm, vif)
    return vm


def is_marked(record: Mapping[str, Any], mark: str) -> bool:
    """Whether something came with a migration."""
    return bool(record["other_config"].get(marks.MIGRATION) == mark)


async def arrived_vm(xapi: XenApi, label: str, mark: str) -> str | None:
    """The VM that came with a migration, when it is there."""
    vms = await all_of(xapi, "VM", {"name__label": label})
    return next((ref for ref, record in vms.items() if is_marked(record, mark)), None)


async def original_vm(xapi: XenApi, label: str, instance_uuid: str, mark: str) -> str | None:
    """The server's VM that did not come with the migration, when it is there."""
    vms = await all_of(xapi, "VM", {"name__label": label})
    ours = {ref: record for ref, record in vms.items() if marks.instance_of(record) == instance_uuid}
    return next((ref for ref, record in ours.items() if not is_marked(record, mark)), None)


async def arrived_whole(xapi: XenApi, instance: Instance, flavor: Flavor, sent: Parcel, mark: str) -> str | None:
    """The VM that came with a migration, when it has all that it is to have. What was broken off goes, but for the disks that have come."""
    disks = len(sent.disks) + len(missing(instance, flavor, sent))
    for vm, record in (await all_of(xapi, "VM", {"name__label": sent.label})).items():
        if not is_marked(record, mark):
            continue
        if len(record["VBDs"]) >= disks and len(record["VIFs"]) == len(instance.vifs):
            return vm
        await destroy(xapi, "VM", vm)
        for vdi, disk in (await all_of(xapi, "VDI", {"name__label": sent.label})).items():
            if not disk["VBDs"] and not disk["is_a_snapshot"] and not is_marked(disk, mark):
                await destroy(xapi, "VDI", vdi)
    return None


async def turn_away(xapi: XenApi, label: str, mark: str) -> None:
    """Remove whatever a migration has brought here; nothing is fine."""
    vms = await all_of(xapi, "VM", {"name__label": label})
    for vm, record in vms.items():
        if is_marked(record, mark):
            if record["power_state"] != "Halted":
                await reach(xapi, "Halted", "VM.hard_shutdown", vm)
            await destroy(xapi, "VM", vm)
    for vdi, record in (await all_of(xapi, "VDI", {"name__label": label})).items():
        is_loose = not record["VBDs"] and not record["is_a_snapshot"]  # a copy that nobody has marked yet
        if is_marked(record, mark) or is_loose:
            await destroy(xapi, "VDI", vdi)
    for task, record in (await xapi.call("task.get_all_records")).items():
        if marks.transfer_of(record["name_label"])[0] == mark:
            await end_task(xapi, task)


def _network(place: Place, vif: Vif) -> str:
    if vif.bridge not in place.networks:
        raise Conflict(f"{place.hostname} has no network on bridge {vif.bridge}.")
    return place.networks[vif.bridge]


async def _grow(xapi: XenApi, vdi: str, size_bytes: int, wanted_bytes: int) -> None:
    if size_bytes >= wanted_bytes:
        return

    async def is_grown() -> str | None:
        return "" if await xapi.call("VDI.get_virtual_size", vdi) >= wanted_bytes else None

    await certain(xapi.call("VDI.resize", vdi, wanted_bytes), is_grown)


async def _attach(xapi: XenApi, vm: str, record: Mapping[str, Any]) -> None:
    where = {"VM": vm, "userdevice": record["userdevice"]}
    await certain(xapi.call("VBD.create", record), lambda: one_of(xapi, "VBD", where))
