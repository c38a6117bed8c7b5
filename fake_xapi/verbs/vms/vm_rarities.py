"""Messages of VMs that hardly anybody sends: the oldest form of clone, ACPI's S3 sleep, and Windows' sysprep."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0 import xenstore
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.vms.vm_copies import clone

MOST_ANSWERS_BYTES = 32 * 1024
DISC_S = 5.0
"""So long has the guest to notice its disc."""
TRIES = 6
_SYSPREP = "control/sysprep"


async def csvm(call: Call, vm: Id) -> Id:
    """Clone a suspended VM under its own name with a suffix."""
    return await clone(call, vm, f"{call.world[vm]['name_label']}-cloned-suspended")


def sleep_or_wake(call: Call, vm: Id) -> None:
    """Put the guest to sleep (ACPI S3) or wake it; the database does not show it. VM_BAD_POWER_STATE when it does not run."""
    state = call.world[vm]["power_state"]
    if state != "Running":
        raise Failure("VM_BAD_POWER_STATE", Handle(vm), "running", state.lower())


async def sysprep(call: Call, vm: Id, unattend: str, timeout: float) -> None:  # noqa: ASYNC109  # the message's parameter
    """Ask Windows to generalise itself with the answers on a disc.

    Failure SYSPREP [vm, text] for answers that are too long, for drivers that do not say that they can, without an empty drive, and when
    Windows does not begin. The disc is in the drive for seconds only and is not simulated.
    """
    for text, is_so in _obstacles(call, vm, unattend):
        if is_so:
            raise Failure("SYSPREP", Handle(vm), text)
    await asyncio.sleep(DISC_S)
    xenstore.write(call, vm, {f"{_SYSPREP}/filename": "D://unattend.xml", f"{_SYSPREP}/action": "sysprep"})
    for _ in range(TRIES):
        if xenstore.read(call.world, vm, f"{_SYSPREP}/action") == "running":
            return
        await asyncio.sleep(1.0)
    raise Failure("SYSPREP", Handle(vm), "sysprep not found running - timeout")


def _obstacles(call: Call, vm: Id, unattend: str) -> tuple[tuple[str, bool], ...]:
    devices = (call.world[vbd] for vbd in call.world[vm]["VBDs"])
    has_drive = any(row["type"] == "CD" and row["empty"] for row in devices)
    return (
        ("unattend.xml file too large. Maximum size is 32 KiB", len(unattend.encode()) > MOST_ANSWERS_BYTES),
        ("VM driver does not support sysprep", xenstore.read(call.world, vm, "control/feature-sysprep") != "1"),
        ("CD drive not found or not empty", not has_drive),
    )


VERBS: Mapping[str, Verb] = {
    "VM.csvm": csvm,
    "VM.s3_suspend": sleep_or_wake,
    "VM.s3_resume": sleep_or_wake,
    "VM.sysprep": sysprep,
}
