"""Volumes of a server's VM: attached and detached, while it runs too, and seen in their new size.

A volume's VBD bears its id, by which it is found again; its disk belongs to the target's SR. Again is fine everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compute_core.model.volumes import BlockDevice, Connection, Target
from compute_core.xenapi import marks, records
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets, sr_uuid
from compute_core.xenapi.undo import Undo

NOVAS_MARK = "osvol"
"""On VBDs of volumes as well: other programs know them by it."""
BAD_VOLUME = frozenset({"SR_BACKEND_FAILURE_46", "SR_BACKEND_FAILURE_40", "SR_BACKEND_FAILURE_47", "SR_HAS_NO_PBDS"})
"""Why a VM does not start that has a disk which its array no longer gives."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume of a server and the way to it."""

    device: BlockDevice
    connection: Connection


async def attach(xapi: XenApi, targets: Targets, vm: str, disk: Disk, *, plugs: bool) -> None:
    """Give the VM a volume: six calls, seven with CHAP. ``plugs``: at once, since the VM runs.

    Whatever fails on the way, nothing of it is left. Raises XenApiFailure, NotSent, ReplyLost, TransferFailed.
    """
    device = replace(disk.device, target=disk.connection.target)
    async with Undo(f"attach volume {device.volume_id}") as undo:
        undo.add("detach it", lambda: detach(xapi, targets, vm, device))
        vbd = await _give(xapi, targets, vm, disk)
        if plugs:
            await plug(xapi, vbd)


@dataclass(frozen=True, slots=True)
class Outfit:
    """The volumes of a VM that is being made."""

    targets: Targets
    disks: Sequence[Disk] = ()

    @property
    def has_root(self) -> bool:
        """Whether the VM boots from one of them."""
        return any(disk.device.boot_index == 0 for disk in self.disks)

    async def join(self, xapi: XenApi, vm: str) -> None:
        """Give them to the VM: five calls each."""
        for disk in self.disks:
            await _give(xapi, self.targets, vm, disk)

    async def part(self, xapi: XenApi) -> None:
        """The VM is gone again, or never came to be."""
        await forget(xapi, self.targets, [disk.connection.target for disk in self.disks])


async def detach(xapi: XenApi, targets: Targets, vm: str, device: BlockDevice) -> None:
    """Take a volume from the VM: eight calls. Gone already is fine."""
    await take_away(xapi, vm, device.volume_id)
    if device.target is not None:
        await forget(xapi, targets, [device.target])


async def take_away(xapi: XenApi, vm: str, volume_id: str) -> None:
    """Take the VBD of a volume from the VM: three calls. Gone already is fine; the target stays."""
    for vbd, record in (await vbds_of(xapi, vm)).items():
        if marks.volume_of(record) == volume_id:
            if record["currently_attached"]:
                await unplug(xapi, vbd)
            await destroy(xapi, "VBD", vbd)


async def forget(xapi: XenApi, targets: Targets, unused: Sequence[Target]) -> None:
    """These targets may be of no use any more."""
    for target in dict.fromkeys(unused):
        async with targets.turn(target):
            await targets.release(xapi, target)


async def see_size(xapi: XenApi, target: Target, size_bytes: int) -> None:
    """Have the host look at a LUN that has grown: three calls. TransferFailed: it is smaller than that."""
    sr = await xapi.call("SR.get_by_uuid", sr_uuid(target))
    await xapi.call("SR.scan", sr)
    vdis = await all_of(xapi, "VDI", {"SR": sr})
    seen = next((vdi["virtual_size"] for vdi in vdis.values() if vdi["sm_config"].get("LUNid") == str(target.lun)), 0)
    if seen < size_bytes:
        raise TransferFailed(f"LUN {target.lun} of {target.iqn} has {seen} bytes, not {size_bytes}")


async def bad_volumes(xapi: XenApi, vm: str, devices: Sequence[BlockDevice]) -> tuple[BlockDevice, ...]:
    """Those of a VM's volumes whose SR cannot be looked at: one call, two for each target."""
    marked = {marks.volume_of(vbd) for vbd in (await vbds_of(xapi, vm)).values()}
    known = [(device, device.target) for device in devices if device.volume_id in marked and device.target is not None]
    return tuple([device for device, target in known if not await _answers(xapi, target)])


async def drop(xapi: XenApi, targets: Targets, vm: str, devices: Sequence[BlockDevice]) -> None:
    """Take volumes from a halted VM that their arrays no longer give."""
    for device in devices:
        await detach(xapi, targets, vm, device)


async def vbds_of(xapi: XenApi, vm: str) -> Mapping[str, Any]:
    """The places of all of a VM's disks."""
    return await all_of(xapi, "VBD", {"VM": vm})


async def _answers(xapi: XenApi, target: Target) -> bool:
    try:
        await xapi.call("SR.scan", await xapi.call("SR.get_by_uuid", sr_uuid(target)))
    except XenApiFailure as failure:
        if failure.code not in BAD_VOLUME and failure.code != "UUID_INVALID":
            raise
        return False
    return True


async def _give(xapi: XenApi, targets: Targets, vm: str, disk: Disk) -> str:
    """The VBD of a volume that is connected."""
    async with targets.turn(disk.connection.target):
        return await place(xapi, vm, await targets.disk(xapi, disk.connection), disk.device)


async def place(xapi: XenApi, vm: str, vdi: str, device: BlockDevice) -> str:
    """The VBD of a volume that is this VDI. Again is fine."""
    try:
        return await certain(xapi.call("VBD.create", _vbd_record(vm, vdi, device)), lambda: vbd_of(xapi, vm, device.volume_id))
    except XenApiFailure as failure:
        known = await vbd_of(xapi, vm, device.volume_id) if failure.code == "DEVICE_ALREADY_EXISTS" else None
        if known is None:
            raise
        return known


def _vbd_record(vm: str, vdi: str, device: BlockDevice) -> dict[str, Any]:
    marked = {marks.VOLUME: device.volume_id, NOVAS_MARK: "True"}
    return {**records.vbd_record(vm, vdi), "userdevice": device.userdevice, "bootable": device.boot_index == 0, "other_config": marked}


async def vbd_of(xapi: XenApi, vm: str, volume_id: str) -> str | None:
    """The VBD of a volume, if the VM has it."""
    return next((ref for ref, vbd in (await vbds_of(xapi, vm)).items() if marks.volume_of(vbd) == volume_id), None)


async def plug(xapi: XenApi, vbd: str) -> None:
    """Let the guest see a disk. Again is fine."""
    await _switch(xapi, "VBD.plug", vbd, "DEVICE_ALREADY_ATTACHED", is_attached=True)


async def unplug(xapi: XenApi, vbd: str) -> None:
    """Take a disk out of the guest's sight. Again is fine."""
    await _switch(xapi, "VBD.unplug", vbd, "DEVICE_ALREADY_DETACHED", is_attached=False)


async def _switch(xapi: XenApi, method: str, vbd: str, already: str, *, is_attached: bool) -> None:
    """Plug or unplug; so already is fine, and what became of a lost answer is looked up."""

    async def is_done() -> str | None:
        return "" if await xapi.call("VBD.get_currently_attached", vbd) is is_attached else None

    try:
        await certain(xapi.call(method, vbd), is_done)
    except XenApiFailure as failure:
        if failure.code != already:
            raise
