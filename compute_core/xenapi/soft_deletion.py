"""A server that is deleted but may come back: off, and locked. Two calls each way."""

from __future__ import annotations

from compute_core.xenapi.boot_lock import lock, unlock
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import reach, start
from compute_core.xenapi.session import XenApi

WHY_LOCKED = "the server is deleted, and may be restored"


async def soft_delete(xapi: XenApi, vm: str) -> None:
    """Off, and nobody starts it."""
    await reach(xapi, "Halted", "VM.hard_shutdown", vm)
    await lock(xapi, vm, WHY_LOCKED)


async def restore(xapi: XenApi, place: Place, vm: str) -> None:
    """It runs again."""
    await unlock(xapi, vm)
    await start(xapi, place, vm)
