"""The former VM of a server that is being moved or resized: set aside on its host until its user says what is to become of it.

It bears another name and another mark than a server's VM, so that nobody takes it for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, destroy
from compute_core.xenapi.power import reach
from compute_core.xenapi.session import XenApi

Records = Mapping[str, Mapping[str, Any]]


def former_label(label: str) -> str:
    """The name of a former VM."""
    return f"{label}-orig"


async def set_aside(xapi: XenApi, vm: str, label: str, other_config: Mapping[str, str]) -> None:
    """From now on the halted VM is no server's. ``other_config`` is what it bears as one."""
    kept = {key: value for key, value in other_config.items() if key != marks.INSTANCE}
    await xapi.call("VM.set_other_config", vm, kept | {marks.FORMER: other_config[marks.INSTANCE]})
    await xapi.call("VM.set_name_label", vm, former_label(label))


async def bring_back(xapi: XenApi, instance_uuid: str, label: str) -> str | None:
    """The former VM is the server's again: its ref; None when there is none. Again is fine, also where it was half set aside."""
    for name in (former_label(label), label):
        for vm, record in (await all_of(xapi, "VM", {"name__label": name})).items():
            if marks.former_of(record) == instance_uuid:
                kept = {key: value for key, value in record["other_config"].items() if key != marks.FORMER}
                await xapi.call("VM.set_name_label", vm, label)
                await xapi.call("VM.set_other_config", vm, kept | {marks.INSTANCE: instance_uuid})
                return vm
    return None


async def remove_former(xapi: XenApi, instance_uuid: str, label: str) -> None:
    """Everything of the former VM: four calls with one disk. Its disks go first: while it is there, the removal is not over."""
    vms: Records = {}
    for name in (former_label(label), label):
        found = await all_of(xapi, "VM", {"name__label": name})
        vms = {vm: record for vm, record in found.items() if marks.former_of(record) == instance_uuid}
        if vms:
            break
    for vm, record in vms.items():
        if record["power_state"] != "Halted":
            await reach(xapi, "Halted", "VM.hard_shutdown", vm)
    vbds = {vbd for record in vms.values() for vbd in record["VBDs"]}
    for vdi, record in (await all_of(xapi, "VDI", {"name__label": label})).items():
        if record["VBDs"] and vbds.issuperset(record["VBDs"]) and marks.instance_of(record) == instance_uuid:
            await destroy(xapi, "VDI", vdi)
    for vm in vms:
        await destroy(xapi, "VM", vm)
