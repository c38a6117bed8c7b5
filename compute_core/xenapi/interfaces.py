"""Interfaces of a server's VM: plugged in and taken out, while it runs too. Again is fine everywhere.

A VIF bears its port's id, by which it is found again. What the guest is told of it stands in its VM's xenstore data.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.model.flavors import Flavor
from compute_core.model.instances import Vif
from compute_core.xenapi import marks, records
from compute_core.xenapi.certainty import all_of, certain, destroy, one_of
from compute_core.xenapi.errors import ReplyLost, XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vifs import network_of, vif_record

Follow = Callable[[], Awaitable[None]]
"""Lets dom0 and the guest know of a change while the VM runs: one call."""


async def give(xapi: XenApi, vm: str, record: Mapping[str, Any]) -> None:
    """Give a VM that does not run yet an interface."""
    where = {"VM": vm, "device": record["device"]}
    await certain(xapi.call("VIF.create", {**record, "VM": vm}), lambda: one_of(xapi, "VIF", where))


async def attach(xapi: XenApi, place: Place, vm: str, vif: Vif, flavor: Flavor, follow: Follow | None) -> str:
    """Give the VM an interface; its ref. Two calls, four where it runs, which ``follow`` says.

    Whatever fails on the way, nothing of it is left. Raises BuildFailed, XenApiFailure, NotSent, ReplyLost, and what ``follow`` raises.
    """
    async with Undo(f"attach interface {vif.id}") as undo:
        undo.add("detach it", lambda: detach(xapi, vm, vif, None))
        return await put_back(xapi, place, vm, vif, flavor, follow)


async def put_back(xapi: XenApi, place: Place, vm: str, vif: Vif, flavor: Flavor, follow: Follow | None) -> str:
    """What ``attach`` does, where a detachment has failed on its way; nothing is taken back."""
    ref = await _made(xapi, vm, vif, {**vif_record(place, network_of(place, vif), vif, flavor), "VM": vm})
    await _note(xapi, vm, vif)
    if follow is not None:
        await _plug(xapi, ref)
        await follow()
    return ref


async def detach(xapi: XenApi, vm: str, vif: Vif, follow: Follow | None, ref: str = "") -> None:
    """Take an interface from the VM. Gone already is fine. Four calls where it runs, five where its ``ref`` is not known; two or three.

    Raises XenApiFailure, NotSent, ReplyLost, and what ``follow`` raises.
    """
    is_plugged = follow is not None
    if not ref or not await _removed(xapi, ref, is_plugged=is_plugged):
        for found, is_attached in await vifs_of(xapi, vm, vif):
            await _removed(xapi, found, is_plugged=is_attached)
    await _forget(xapi, vm, vif)
    if follow is not None:
        await follow()


async def vifs_of(xapi: XenApi, vm: str, vif: Vif) -> list[tuple[str, bool]]:
    """The VIFs of a port, and whether they are attached: one call."""
    vifs = await all_of(xapi, "VIF", {"VM": vm})
    return [(ref, record["currently_attached"]) for ref, record in vifs.items() if record["other_config"].get(marks.VIF_ID) == vif.id]


def told(vif: Vif) -> tuple[str, str]:
    """Where a guest reads of an interface, and what."""
    return records.networking_key(vif), json.dumps(records.networking(vif))


async def _made(xapi: XenApi, vm: str, vif: Vif, record: dict[str, Any]) -> str:
    async def there() -> str | None:
        return next((ref for ref, _ in await vifs_of(xapi, vm, vif)), None)

    try:
        return await certain(xapi.call("VIF.create", record), there)
    except XenApiFailure as failure:
        known = await there() if failure.code == "DEVICE_ALREADY_EXISTS" else None
        if known is None:
            raise
        return known


async def _note(xapi: XenApi, vm: str, vif: Vif) -> None:
    key, value = told(vif)

    async def is_there() -> str | None:
        return "" if key in await xapi.call("VM.get_xenstore_data", vm) else None

    try:
        await certain(xapi.call("VM.add_to_xenstore_data", vm, key, value), is_there)
    except XenApiFailure as failure:
        if failure.code != "MAP_DUPLICATE_KEY":
            raise


async def _forget(xapi: XenApi, vm: str, vif: Vif) -> None:
    """Removing what is not there is no error, so it may be repeated."""
    key = records.networking_key(vif)
    try:
        await xapi.call("VM.remove_from_xenstore_data", vm, key)
    except ReplyLost:
        await xapi.call("VM.remove_from_xenstore_data", vm, key)


async def _removed(xapi: XenApi, vif: str, *, is_plugged: bool) -> bool:
    """Whether it was there."""
    try:
        if is_plugged:
            await _switch(xapi, "VIF.unplug", vif, "DEVICE_ALREADY_DETACHED", is_attached=False)
    except XenApiFailure as failure:
        if failure.code == "HANDLE_INVALID":
            return False
        raise
    await destroy(xapi, "VIF", vif)
    return True


async def _plug(xapi: XenApi, vif: str) -> None:
    await _switch(xapi, "VIF.plug", vif, "DEVICE_ALREADY_ATTACHED", is_attached=True)


async def _switch(xapi: XenApi, method: str, vif: str, already: str, *, is_attached: bool) -> None:
    """Plug or unplug; so already is fine, and what became of a lost answer is looked up."""

    async def is_done() -> str | None:
        return "" if await xapi.call("VIF.get_currently_attached", vif) is is_attached else None

    try:
        await certain(xapi.call(method, vif), is_done)
    except XenApiFailure as failure:
        if failure.code != already:
            raise
