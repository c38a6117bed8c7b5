"""How much of the disks below each of a server's disks may have, changed while it runs: VBD QoS, and ionice by the plugin.

XAPI applies a VBD's priority when it is plugged; so a running guest's is changed in dom0 as well, and the record tells the next boot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.model.errors import NotFound
from compute_core.xenapi.certainty import all_of
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0
from compute_core.xenapi.quotas import IoPriority
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo


@dataclass(frozen=True, slots=True)
class DiskPriority:
    """A disk by its number, and its priority; both "" where it has none of its own."""

    device: str
    scheduler: str = ""
    level: str = ""


async def priorities(xapi: XenApi, vm: str) -> list[DiskPriority]:
    """Of each disk of a VM, as its record says: one call."""
    vbds = (await _disks(xapi, vm)).values()
    return sorted((_priority(vbd) for vbd in vbds), key=lambda disk: int(disk.device))


async def prioritise(xapi: XenApi, place: Place, vm: str, priority: IoPriority, devices: Collection[str] | None = None) -> list[str]:
    """Give some disks of a VM a priority, None: all of them; their numbers. Two calls for each that has another, and three.

    All or none: what was changed is taken back when dom0 does not follow. NotFound: there is no such disk. Raises PluginRefusal.
    """
    vbds = {ref: vbd for ref, vbd in (await _disks(xapi, vm)).items() if devices is None or vbd["userdevice"] in devices}
    missing = sorted(set(devices or ()) - {vbd["userdevice"] for vbd in vbds.values()})
    if missing:
        raise NotFound(f"The server has no disk {', '.join(missing)}.")
    async with Undo(f"prioritise disks of {vm}") as undo:
        for ref, vbd in vbds.items():
            await _change(xapi, ref, vbd, priority, undo)
        domid = int(await xapi.call("VM.get_domid", vm))
        plugged = [int(vbd["userdevice"]) for vbd in vbds.values() if vbd["currently_attached"]]
        if domid >= 0 and plugged:
            await Dom0(xapi, place.host).prioritise_disks(domid, plugged, priority.parameters or {})
    return sorted((vbd["userdevice"] for vbd in vbds.values()), key=int)


async def _disks(xapi: XenApi, vm: str) -> Mapping[str, Any]:
    vbds = await all_of(xapi, "VBD", {"VM": vm, "type": "Disk"})
    return {ref: vbd for ref, vbd in vbds.items() if vbd["userdevice"].isdecimal()}


def _priority(vbd: Mapping[str, Any]) -> DiskPriority:
    params = vbd["qos_algorithm_params"] if vbd["qos_algorithm_type"] == "ionice" else {}
    return DiskPriority(vbd["userdevice"], params.get("sched", ""), params.get("class", ""))


async def _change(xapi: XenApi, ref: str, vbd: Mapping[str, Any], priority: IoPriority, undo: Undo) -> None:
    """The record; each setter says the whole value, so that it may be repeated."""
    before = IoPriority(vbd["qos_algorithm_type"], vbd["qos_algorithm_params"])
    if before == IoPriority(priority.algorithm, dict(priority.parameters or {})):
        return
    undo.add(f"give {ref} its priority back", lambda: _write(xapi, ref, before))
    await _write(xapi, ref, priority)


async def _write(xapi: XenApi, ref: str, priority: IoPriority) -> None:
    for member, value in priority.members().items():
        await xapi.call(f"VBD.set_{member}", ref, value)
