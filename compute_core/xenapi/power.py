"""Power operations. Each asks for the change, and for nothing else unless the answer says that it must."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

LOOKS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Pauses between looks at a VM whose operation lost its answer: while the host names an operation, it is waited for."""

GUEST_WILL_NOT = frozenset(
    {
        "VM_BAD_POWER_STATE",
        "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",
        "VM_LACKS_FEATURE",
        "VM_LACKS_FEATURE_SHUTDOWN",
        "VM_MISSING_PV_DRIVERS",
        "VM_OLD_PV_DRIVERS",
        "VM_SHUTDOWN_TIMEOUT",
    }
)
"""Why a clean shutdown or reboot did not happen: the hard one does."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a guest may take to shut down by itself before it is made to."""

    clean_shutdown_s: float = 60.0
    clean_reboot_s: float = 60.0


async def start(xapi: XenApi, place: Place, vm: str) -> None:
    """Halted to Running, on the agent's own host."""
    await reach(xapi, "Running", "VM.start_on", vm, place.host, False, False)


async def stop(xapi: XenApi, vm: str, patience: Patience) -> None:
    """To Halted: cleanly when the guest will, hard when it will not in time."""
    if not await _cleanly(reach(xapi, "Halted", "VM.clean_shutdown", vm), patience.clean_shutdown_s):
        await reach(xapi, "Halted", "VM.hard_shutdown", vm)


async def reboot_soft(xapi: XenApi, place: Place, vm: str, patience: Patience) -> None:
    """To Running through a clean reboot when the guest will, through a hard one when it will not in time."""
    if not await _cleanly(reach(xapi, "Running", "VM.clean_reboot", vm), patience.clean_reboot_s):
        await reboot_hard(xapi, place, vm)


async def reboot_hard(xapi: XenApi, place: Place, vm: str) -> None:
    """To Running through a reset; a VM that has nothing to reset is started instead."""
    try:
        await reach(xapi, "Running", "VM.hard_reboot", vm)
    except XenApiFailure as failure:
        state = actual_state(failure)
        if state not in {"Halted", "Suspended"}:
            raise
        if state == "Suspended":
            await reach(xapi, "Halted", "VM.hard_shutdown", vm)
        await start(xapi, place, vm)


async def pause(xapi: XenApi, vm: str) -> None:
    """Running to Paused."""
    await reach(xapi, "Paused", "VM.pause", vm)


async def unpause(xapi: XenApi, vm: str) -> None:
    """Paused to Running."""
    await reach(xapi, "Running", "VM.unpause", vm)


async def suspend(xapi: XenApi, vm: str) -> None:
    """Running to Suspended, its memory in a VDI."""
    await reach(xapi, "Suspended", "VM.suspend", vm)


async def resume(xapi: XenApi, vm: str) -> None:
    """Suspended to Running."""
    await reach(xapi, "Running", "VM.resume", vm, False, False)


async def resume_on(xapi: XenApi, place: Place, vm: str) -> None:
    """Suspended to Running, on the agent's own host."""
    await reach(xapi, "Running", "VM.resume_on", vm, place.host, False, False)


async def reach(xapi: XenApi, state: str, method: str, vm: str, *params: Any) -> None:
    """Call, and be content when the VM is in ``state`` afterwards, whatever became of the answer.

    A VM that is there already counts; not for a reboot, whose refusals name another state than Running.
    """
    try:
        await xapi.call(method, vm, *params)
    except ReplyLost:
        if await _settled_state(xapi, vm) != state:
            raise
    except XenApiFailure as failure:
        if actual_state(failure) != state:
            raise


def actual_state(failure: XenApiFailure) -> str:
    """The power state that VM_BAD_POWER_STATE says the VM is in, as records spell it; "" for other failures."""
    return failure.params[2].capitalize() if failure.code == "VM_BAD_POWER_STATE" and len(failure.params) > 2 else ""


async def _cleanly(operation: Awaitable[None], limit_s: float) -> bool:
    """Whether the guest did it by itself in time."""
    try:
        async with asyncio.timeout(limit_s):
            await operation
    except TimeoutError:
        return False
    except XenApiFailure as failure:
        if failure.code not in GUEST_WILL_NOT:
            raise
        return False
    return True


async def _settled_state(xapi: XenApi, vm: str) -> str:
    """The VM's power state once no operation is under way on it, or the last one seen."""
    state = ""
    for pause_s in LOOKS_S:
        await asyncio.sleep(pause_s)
        record = await xapi.call("VM.get_record", vm)
        state = record["power_state"]
        if not record["current_operations"]:
            break
    return state
