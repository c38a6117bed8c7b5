"""Locks a VM against being started, by whomever; XAPI then answers OPERATION_BLOCKED with the reason."""

from __future__ import annotations

from compute_core.xenapi.session import XenApi

STARTS = ("start", "start_on")


async def lock(xapi: XenApi, vm: str, why: str) -> None:
    """From now on nobody starts it. The whole map is written at once: nothing else of the core blocks operations of servers' VMs."""
    await xapi.call("VM.set_blocked_operations", vm, dict.fromkeys(STARTS, why))


async def unlock(xapi: XenApi, vm: str) -> None:
    """It may be started again."""
    await xapi.call("VM.set_blocked_operations", vm, {})
