"""A server that is deleted but may come back: off, and locked. Two calls each way; what fails leaves it as it was."""

from __future__ import annotations

from compute_core.xenapi.boot_lock import lock, unlock
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import reach, start
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo

WHY_LOCKED = "the server is deleted, and may be restored"


async def soft_delete(xapi: XenApi, place: Place, vm: str, *, was_running: bool) -> None:
    """Off, and nobody starts it."""
    async with Undo("soft deletion") as undo:
        if was_running:
            undo.add("start the server", lambda: start(xapi, place, vm))
        await reach(xapi, "Halted", "VM.hard_shutdown", vm)
        await lock(xapi, vm, WHY_LOCKED)


async def restore(xapi: XenApi, place: Place, vm: str) -> None:
    """It runs again."""
    async with Undo("restoration") as undo:
        undo.add("lock the server", lambda: lock(xapi, vm, WHY_LOCKED))
        await unlock(xapi, vm)
        await start(xapi, place, vm)
