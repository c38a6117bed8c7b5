"""How each kind of orphan is taken away. Again is fine, absent is fine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from compute_core.model.orphans import Cleaned, Kind
from compute_core.xenapi.certainty import certain, destroy
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.orphans import FILES_IDLE_S, Found
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0, PluginRefusal
from compute_core.xenapi.removal import remove_one
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.sweep import end_task
from compute_core.xenapi.targets import Targets

Remover = Callable[[XenApi, Place, Targets, Found], Awaitable[None]]

IS_OUT = frozenset({"DEVICE_ALREADY_DETACHED", "VM_BAD_POWER_STATE", "HANDLE_INVALID"})
"""What is said of an unplugging that is not needed."""


async def clean(xapi: XenApi, place: Place, targets: Targets, found: Found) -> Cleaned:
    """Take one orphan away."""
    orphan = found.orphan
    try:
        await REMOVERS[orphan.kind](xapi, place, targets, found)
    except (XenApiFailure, Unanswered, TransferFailed, PluginRefusal) as problem:
        return Cleaned(orphan.kind, orphan.id, orphan.name, str(problem))
    return Cleaned(orphan.kind, orphan.id, orphan.name)


async def _vm(xapi: XenApi, _: Place, __: Targets, found: Found) -> None:
    await remove_one(xapi, found.ref, found.orphan.server)


async def _vdi(xapi: XenApi, _: Place, __: Targets, found: Found) -> None:
    await destroy(xapi, "VDI", found.ref)


def _unplugged(cls: str) -> Remover:
    async def remover(xapi: XenApi, _: Place, __: Targets, found: Found) -> None:
        async def out() -> str | None:
            return None if await xapi.call(f"{cls}.get_currently_attached", found.ref) else ""

        if found.record["currently_attached"]:
            try:
                await certain(xapi.call(f"{cls}.unplug", found.ref), out)
            except XenApiFailure as failure:
                if failure.code not in IS_OUT:
                    raise
        await destroy(xapi, cls, found.ref)

    return remover


async def _sr(xapi: XenApi, _: Place, targets: Targets, found: Found) -> None:
    await targets.forget(xapi, found.ref, found.record)


async def _task(xapi: XenApi, _: Place, __: Targets, found: Found) -> None:
    await end_task(xapi, found.ref)


async def _file(xapi: XenApi, place: Place, _: Targets, found: Found) -> None:
    await Dom0(xapi, place.host).remove_leftovers([found.orphan.id], FILES_IDLE_S)


REMOVERS: Mapping[Kind, Remover] = {
    "VM": _vm,
    "VDI": _vdi,
    "VBD": _unplugged("VBD"),
    "VIF": _unplugged("VIF"),
    "SR": _sr,
    "task": _task,
    "file": _file,
}
