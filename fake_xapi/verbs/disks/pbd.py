"""The verbs of PBD: connections between hosts and SRs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.vbd import is_plugged
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import sr, sr_places
from fake_xapi.verbs.disks.sr_drivers import UNKNOWN_BYTES, Place
from fake_xapi.verbs.setters import writes


def create(call: Call, record: dict[str, Any]) -> Id:
    """Describe how a host connects to an SR, without connecting. PBD_EXISTS [sr, host, pbd], VALUE_NOT_SUPPORTED for the key SRmaster."""
    target, host = record["SR"], record["host"]
    for pbd in call.world[target]["PBDs"]:
        if call.world[pbd]["host"] == host:
            raise Failure("PBD_EXISTS", Handle(target), Handle(host), Handle(pbd))
    if "SRmaster" in record["device_config"]:
        raise Failure("VALUE_NOT_SUPPORTED", "PBD.device_config", "SRmaster", "The SRmaster key is reserved")
    with call.world.edit() as edit:
        return edit.create("PBD", **{**record, "currently_attached": False})


async def plug(call: Call, pbd: Id) -> None:
    """Connect; does nothing when connected already.

    SR_NOT_SHARABLE [sr, host] when another host has plugged an SR that is not shared; SR_BACKEND_FAILURE_<n> when the driver cannot
    find it.
    """
    row = call.world[pbd]
    if row["currently_attached"]:
        return
    target: Id = row["SR"]
    _assert_sharable(call, target, pbd)
    async with call.operating((target, "plug")):
        place = sr_places.attach(call, target, pbd)
        await call.takes("PBD.plug")
        with call.world.edit() as edit:
            edit.set(pbd, currently_attached=True)
            if edit[target]["physical_size"] < 0:
                edit.set(target, physical_size=_size(place), physical_utilisation=0)
        sr.attached(call, target, place)


def _size(place: Place | None) -> int:
    return place.size if place is not None else UNKNOWN_BYTES


def _assert_sharable(call: Call, target: Id, pbd: Id) -> None:
    row = call.world[target]
    if row["shared"]:
        return
    for other in row["PBDs"]:
        if other != pbd and call.world[other]["currently_attached"]:
            raise Failure("SR_NOT_SHARABLE", Handle(target), Handle(call.world[other]["host"]))


async def unplug(call: Call, pbd: Id) -> None:
    """Disconnect; does nothing when disconnected already.

    VDI_IN_USE [vdis...] while disks on the SR are plugged into the host's VMs, HA_IS_ENABLED while it holds the statefile of HA.
    """
    row = call.world[pbd]
    if not row["currently_attached"]:
        return
    used = _used_disks(call, row["SR"], row["host"])
    if used:
        raise Failure("VDI_IN_USE", *(Handle(vdi) for vdi in used))
    if call.world[POOL]["ha_enabled"] and any(call.world[vdi]["type"] == "ha_statefile" for vdi in call.world[row["SR"]]["VDIs"]):
        raise Failure("HA_IS_ENABLED")
    async with call.operating((row["SR"], "unplug")):
        await call.takes("PBD.unplug")
        with call.world.edit() as edit:
            edit.set(pbd, currently_attached=False)


def _used_disks(call: Call, target: Id, host: Id) -> list[Id]:
    world = call.world
    return [vdi for vdi in world[target]["VDIs"] if any(_is_used(call, vbd, host) for vbd in world[vdi]["VBDs"])]


def _is_used(call: Call, vbd: Id, host: Id) -> bool:
    row = call.world[vbd]
    vm = call.world.get(row["VM"])
    return is_plugged(row) and vm is not None and vm["resident_on"] == host


def destroy(call: Call, pbd: Id) -> None:
    """Remove a PBD."""
    if call.world[pbd]["currently_attached"]:
        raise Failure("OPERATION_NOT_ALLOWED", "PBD is currently attached")
    with call.world.edit() as edit:
        edit.destroy(pbd)


VERBS: Mapping[str, Verb] = {
    "PBD.create": create,
    "PBD.destroy": destroy,
    "PBD.plug": plug,
    "PBD.unplug": unplug,
    "PBD.set_device_config": writes("device_config"),
}
