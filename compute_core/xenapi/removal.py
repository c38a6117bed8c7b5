"""Remove a server: its VM, the disks that are nobody else's, and whatever snapshots they left. Again is fine, absent is fine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, destroy
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.power import reach
from compute_core.xenapi.session import XenApi


async def remove(xapi: XenApi, instance_uuid: str, label: str) -> None:
    """Everything of one server on this host. ``label`` is its VM's name; VMs of the name that bear another's mark stay."""
    vms = await all_of(xapi, "VM", {"name__label": label})
    for vm, record in vms.items():
        if marks.instance_of(record) == instance_uuid:
            await _remove(xapi, vm, record, instance_uuid)


async def remove_vm(xapi: XenApi, vm: str) -> None:
    """The VM alone, running or not; its disks stay."""
    await _halt(xapi, vm)
    await destroy(xapi, "VM", vm)


async def _remove(xapi: XenApi, vm: str, record: Mapping[str, Any], instance_uuid: str) -> None:
    """Disks before the VM: as long as the VM is there, what is left can be found from it."""
    if record["power_state"] != "Halted" or record["current_operations"]:
        await _halt(xapi, vm)
    vbds = await all_of(xapi, "VBD", {"VM": vm})
    for vdi in {vbd["VDI"] for vbd in vbds.values() if vbd["type"] == "Disk" and not vbd["empty"]}:
        await _remove_disk(xapi, vdi, set(vbds), instance_uuid)
    await destroy(xapi, "VM", vm)


async def _halt(xapi: XenApi, vm: str) -> None:
    try:
        await reach(xapi, "Halted", "VM.hard_shutdown", vm)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise


async def _remove_disk(xapi: XenApi, vdi: str, own_vbds: set[str], instance_uuid: str) -> None:
    """A disk that bears the server's mark and hangs on no other VM, with its snapshots: a crash left them, users' copies are images."""
    try:
        record = await xapi.call("VDI.get_record", vdi)
    except XenApiFailure as failure:
        if failure.code == "HANDLE_INVALID":
            return
        raise
    if marks.instance_of(record) != instance_uuid or not own_vbds.issuperset(record["VBDs"]):
        return
    await asyncio.gather(*(destroy(xapi, "VDI", snapshot) for snapshot in record["snapshots"]))
    await destroy(xapi, "VDI", vdi)
