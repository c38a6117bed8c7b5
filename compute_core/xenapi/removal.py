"""Remove a server: its VM, the disks that are nobody else's, and whatever snapshots they left. Again is fine, absent is fine."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, any_of, destroy
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import NULL
from compute_core.xenapi.power import reach
from compute_core.xenapi.session import XenApi

Records = Mapping[str, Mapping[str, Any]]


async def remove(xapi: XenApi, instance_uuid: str, label: str, vm_uuid: str = "") -> None:
    """Everything of one server on this host, its rescue VM too: five calls for a running one with one disk.

    VM and disks are found by ``label``, their name, and taken for the server's by its mark: so a disk is found as well that a broken
    build has not attached yet, or a broken snapshot left. Disks go before the VM: while that is there, the removal is not over.
    ``vm_uuid``: the VM's own, if it is known; one that was renamed is found by nothing else.
    """
    labels = [("name__label", name) for name in (label, marks.rescue_label(instance_uuid))]
    vms = _marked(await any_of(xapi, "VM", [*labels, *([("uuid", vm_uuid)] if vm_uuid else [])]), instance_uuid)
    for vm, record in vms.items():
        if record["power_state"] != "Halted" or record["current_operations"]:
            await _halt(xapi, vm)
    vbds = {vbd for record in vms.values() for vbd in record["VBDs"]}
    vdis = _marked(await any_of(xapi, "VDI", labels), instance_uuid)
    for vdi, record in vdis.items():
        if vbds.issuperset(record["VBDs"]):
            await destroy(xapi, "VDI", vdi)
    for vm in vms:
        await destroy(xapi, "VM", vm)


async def remove_one(xapi: XenApi, vm: str, instance_uuid: str) -> None:
    """This VM of a server, of however many it has, and those of the server's disks that hang on no other. Again is fine, absent is fine.

    Disks that hang on none stay: they may be of another one that is being built. So does what a rescue VM borrows from its server.
    """
    record = await _record(xapi, "VM", vm)
    if record is None or instance_uuid not in (marks.instance_of(record), marks.former_of(record), marks.rescue_of(record)):
        return
    if record["power_state"] != "Halted" or record["current_operations"]:
        await _halt(xapi, vm)
    vbds = await all_of(xapi, "VBD", {"VM": vm})
    for vdi in sorted({vbd["VDI"] for vbd in vbds.values()} - {NULL}):
        disk = await _record(xapi, "VDI", vdi)
        if disk is not None and marks.instance_of(disk) == instance_uuid and _is_own(record, disk, vbds):
            await destroy(xapi, "VDI", vdi)
    await destroy(xapi, "VM", vm)


async def has_other(xapi: XenApi, instance_uuid: str, vm: str) -> bool:
    """Whether the server has another VM in the pool than this one."""
    others = await all_of(xapi, "VM", {"is_a_template": "false", "is_control_domain": "false"})
    return any(ref != vm and marks.instance_of(record) == instance_uuid for ref, record in others.items())


def _is_own(vm: Mapping[str, Any], vdi: Mapping[str, Any], vbds: Container[str]) -> bool:
    is_rescue_disk = vdi["other_config"].get(marks.DISK) == "rescue"
    return all(vbd in vbds for vbd in vdi["VBDs"]) and is_rescue_disk == bool(marks.rescue_of(vm))


async def _record(xapi: XenApi, cls: str, ref: str) -> Mapping[str, Any] | None:
    try:
        record: Mapping[str, Any] = await xapi.call(f"{cls}.get_record", ref)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise
        return None
    return record


async def remove_vm(xapi: XenApi, vm: str) -> None:
    """The VM alone, running or not; its disks stay."""
    await _halt(xapi, vm)
    await destroy(xapi, "VM", vm)


def _marked(records: Records, instance_uuid: str) -> Records:
    return {ref: record for ref, record in records.items() if instance_uuid in (marks.instance_of(record), marks.rescue_of(record))}


async def _halt(xapi: XenApi, vm: str) -> None:
    try:
        await reach(xapi, "Halted", "VM.hard_shutdown", vm)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise
