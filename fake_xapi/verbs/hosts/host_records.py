"""Hosts as rows in the pool's database: created, declared dead, destroyed, and ejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.upgrade import is_upgrading
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.hosts import host_failure
from fake_xapi.verbs.pools import ha_admission
from fake_xapi.verbs.vms import placement

_OWN = (
    *("host_cpu", "PIF", "PBD", "PCI", "PGPU", "PUSB", "host_patch", "host_crashdump", "Certificate", "Host_driver", "Feature"),
    *("PVS_cache_storage", "dom0_file"),
)
"""Classes whose objects belong to one host."""


def create(call: Call, *values: Any) -> Id:
    """Create the row of a host that is about to join: dead until it says hello. UUID_INVALID ["host", uuid] for one that is known."""
    names = [param.name for param in call.message.params]
    given = zip(names, values, strict=False)
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given}
    if call.world.by_uuid("host", fields["uuid"]):
        raise Failure("UUID_INVALID", "host", fields["uuid"])
    master = call.world[call.world[POOL]["master"]]
    fields["software_version"] = fields.get("software_version") or master["software_version"]
    with call.world.edit() as edit:
        metrics = edit.create("host_metrics", live=False, last_updated=call.now())
        return edit.create(
            "host", metrics=metrics, enabled=False, API_version_major=master["API_version_major"],
            API_version_minor=master["API_version_minor"], API_version_vendor=master["API_version_vendor"], **fields,
        )  # fmt: skip


def declare_dead(call: Call, host: Id) -> None:
    """Declare a silent host dead and halt its VMs. HOST_IS_LIVE [host], HOST_CANNOT_DESTROY_SELF [host]."""
    _assert_gone(call, host)
    host_failure.halt_all(call, _guests(call.world, host))
    with call.world.edit() as edit:
        edit.set(host, enabled=False)
        edit.set(edit[host]["metrics"], live=False)


def destroy(call: Call, host: Id) -> None:
    """Forget a host that is gone for good.

    HOST_IS_LIVE [host], HOST_CANNOT_DESTROY_SELF [host], HA_IS_ENABLED [], HOST_HAS_RESIDENT_VMS [host].
    """
    _assert_gone(call, host)
    ha_admission.assert_off(call.world)
    if _guests(call.world, host):
        raise Failure("HOST_HAS_RESIDENT_VMS", Handle(host))
    with call.world.edit() as edit:
        forget(call.world, edit, host)


def _assert_gone(call: Call, host: Id) -> None:
    """Refuse for a host that still answers, whatever its metrics say."""
    if host == call.world[POOL]["master"]:
        is_live = placement.is_live(call.world, call.world[host])
        raise Failure("HOST_IS_LIVE" if is_live else "HOST_CANNOT_DESTROY_SELF", Handle(host))
    if placement.is_live(call.world, call.world[host]):
        raise Failure("HOST_IS_LIVE", Handle(host))


def _guests(world: World, host: Id) -> list[Id]:
    return [vm for vm in world[host]["resident_VMs"] if not world[vm]["is_control_domain"]]


def forget(world: World, edit: Edit, host: Id) -> None:
    """Remove a host along with everything that belongs to it."""
    for cls in _OWN:
        for identity, row in list(world.rows(cls)):
            if row["host"] == host and edit.get(identity) is not None:
                _destroy_with_metrics(edit, identity)
    for vm in list(edit[host]["resident_VMs"]):
        for console in edit[vm]["consoles"]:
            edit.destroy(console)
        _destroy_with_metrics(edit, vm)
    for vm, row in world.rows("VM"):
        if row["affinity"] == host and edit.get(vm) is not None:
            edit.set(vm, affinity=0)
    _destroy_with_metrics(edit, host)


def _destroy_with_metrics(edit: Edit, identity: Id) -> None:
    row = edit[identity]
    metrics: Id = row["metrics"] if "metrics" in row.layout.index else 0
    edit.destroy(identity)
    if metrics and edit.get(metrics) is not None:
        edit.destroy(metrics)


async def eject(call: Call, host: Id) -> None:
    """Eject a host from the pool: it is forgotten, loses its local storage, and boots as a fresh pool of its own.

    HA_IS_ENABLED [], NOT_SUPPORTED_DURING_UPGRADE [], INTERNAL_ERROR [...] for the master, OPERATION_NOT_ALLOWED ["VM resident on host"].
    """
    world = call.world
    ha_admission.assert_off(world)
    if is_upgrading(world):
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
    if host == world[POOL]["master"]:
        raise Failure("INTERNAL_ERROR", "Xapi_pool.Cannot_eject_master")
    if _guests(world, host):
        raise Failure("OPERATION_NOT_ALLOWED", "VM resident on host")
    await call.takes("pool.join")
    with world.edit() as edit:
        for sr in _local_srs(world, host):
            _lose(call, edit, sr)
        forget(world, edit, host)
    call.spawn(f"eject {host}", _boot_alone(call, host))


def _local_srs(world: World, host: Id) -> list[Id]:
    mine = [world[pbd]["SR"] for pbd in world[host]["PBDs"]]
    return [sr for sr in mine if not world[sr]["shared"] and all(world[pbd]["host"] == host for pbd in world[sr]["PBDs"])]


def _lose(call: Call, edit: Edit, sr: Id) -> None:
    for vdi in list(edit[sr]["VDIs"]):
        for vbd in edit[vdi]["VBDs"]:
            edit.set(vbd, VDI=0, empty=True)
        storage.drop_vdi(call, edit, vdi)
    for pbd in list(edit[sr]["PBDs"]):
        edit.destroy(pbd)
    pool = edit[POOL]
    edit.set(POOL, **{field: 0 for field in ("default_SR", "suspend_image_SR", "crash_dump_SR") if pool[field] == sr})
    edit.destroy(sr)


async def _boot_alone(call: Call, host: Id) -> None:
    await call.takes("xapi.fuse")
    call.machines.switch_off(host)
    await call.takes("host.boot")
    call.machines.leave(host)


VERBS: Mapping[str, Verb] = {
    "host.create": create,
    "host.declare_dead": declare_dead,
    "host.destroy": destroy,
    "pool.eject": eject,
}
