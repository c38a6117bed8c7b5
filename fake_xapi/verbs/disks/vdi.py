"""The verbs of VDI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import chains, media, storage, vdi_disks, vdi_tracking
from fake_xapi.verbs.setters import writes

_NOT_FROM_CALLER = frozenset({"uuid", "location", "managed", "missing", "is_a_snapshot", "cbt_enabled"})


async def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a disk of zeros; its SR's driver rounds the size up."""
    sr: Id = record["SR"]
    if record["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(0), "cbt_metadata")
    fields = {name: value for name, value in record.items() if name not in _NOT_FROM_CALLER}
    del fields["SR"]
    size = fields.pop("virtual_size")
    async with call.operating((sr, "vdi_create")):
        storage.assert_reachable(call, sr)
        await call.takes("VDI.create")
        with call.world.edit() as edit:
            return vdi_disks.create_disk(call, edit, sr, size, **fields)


_INTRODUCED = (
    *("uuid", "name_label", "name_description", "SR", "type", "sharable", "read_only", "other_config", "location"),
    *("xenstore_data", "sm_config", "managed", "virtual_size", "physical_utilisation", "metadata_of_pool", "is_a_snapshot"),
    *("snapshot_time", "snapshot_of", "cbt_enabled"),
)
"""The fields that the parameters of an introduction set, in order; those after ``sm_config`` were added later."""


def introduce(call: Call, *values: Any) -> Id:
    """Create the row of a disk that an SR holds already; what lies there under its location is its content.

    Failures LOCATION_NOT_UNIQUE [sr, location], UUID_INVALID ["VDI", uuid].
    """
    fields = dict(zip(_INTRODUCED, values, strict=False))
    sr, world = fields.pop("SR"), call.world
    if any(world[vdi]["location"] == fields["location"] for vdi in world[sr]["VDIs"]):
        raise Failure("LOCATION_NOT_UNIQUE", Handle(sr), fields["location"])
    if fields["uuid"] and world.by_uuid("VDI", fields["uuid"]):
        raise Failure("UUID_INVALID", "VDI", fields["uuid"])
    with world.edit() as edit:
        made = storage.introduce_vdi(call, edit, sr, **fields)
        storage.charge(edit, sr, physical=fields.get("physical_utilisation", 0), virtual=fields.get("virtual_size", 0))
    media.claim(call, world[sr]["type"], world.uuid(sr), fields["location"], made)
    return made


async def introduce_by_driver(call: Call, *values: Any) -> Id:
    """As ``introduce``, through the SR's driver if that supports it: otherwise SR_OPERATION_NOT_SUPPORTED [sr]."""
    sr: Id = values[_INTRODUCED.index("SR")]
    storage.assert_reachable(call, sr)
    async with call.operating((sr, "vdi_introduce")):
        await call.takes("VDI.introduce")
        return introduce(call, *values)


async def destroy(call: Call, vdi: Id) -> None:
    """Destroy a disk and its VBDs; later the SR's garbage collector takes care of the rest of the chain."""
    sr: Id = call.world[vdi]["SR"]
    storage.assert_usable(call, vdi)
    async with call.operating((sr, "vdi_destroy")):
        await call.takes("VDI.destroy")
        is_chained = chains.PARENT in call.world[vdi]["sm_config"]
        vdi_tracking.give_up(call, vdi, is_merged=True)
        with call.world.edit() as edit:
            _leave_vms(call, edit, vdi)
            storage.drop_vdi(call, edit, vdi)
    if is_chained:
        chains.collect_later(call, sr, vdi)


def _leave_vms(call: Call, edit: Edit, vdi: Id) -> None:
    row = edit[vdi]
    for dump in row["crash_dumps"]:
        edit.destroy(dump)
    sleepers = (vm for vm, other in call.world.rows("VM") if other["suspend_VDI"] == vdi) if row["type"] == "suspend" else ()
    for vm in sleepers:
        edit.set(vm, suspend_VDI=0)


def forget(call: Call, vdi: Id) -> None:
    """Remove only the row; the disk stays in its SR, and the next scan finds it."""
    row, uuid = call.world[vdi], call.world.uuid(vdi)
    sr_type, sr_uuid, text = call.world[row["SR"]]["type"], call.world.uuid(row["SR"]), media.held(call.world, vdi)
    kept = {uuid: call.disks[vdi]} if vdi in call.disks else {}
    with call.world.edit() as edit:
        for vbd in row["VBDs"]:
            storage.drop_vbd(edit, vbd)
        storage.charge(edit, row["SR"], physical=-row["physical_utilisation"], virtual=-row["virtual_size"])
        edit.destroy(vdi)
    media.put(call, sr_type, sr_uuid, {uuid: text}, kept)
    if kept:
        call.disks.destroy(vdi)


def db_forget(call: Call, vdi: Id) -> None:
    """Reserved to hosts: every caller is refused."""
    raise Failure("PERMISSION_DENIED")


async def clone(call: Call, vdi: Id, driver_params: dict[str, str]) -> Id:
    """Create a writable disk with the same content."""
    return await vdi_disks.clone_disk(call, vdi)


async def snapshot(call: Call, vdi: Id, driver_params: dict[str, str]) -> Id:
    """Keep the present content as a new disk."""
    return await vdi_disks.snapshot_disk(call, vdi)


async def copy(call: Call, vdi: Id, sr: Id, base_vdi: Id = 0, into_vdi: Id = 0) -> Id:
    """Copy the content to another SR, into a new disk or an existing one.

    Failures VDI_NOT_MANAGED [vdi], VDI_READONLY [into], VDI_TOO_SMALL [into, size].
    """
    storage.assert_managed(call, vdi)
    if not into_vdi:
        if not sr:
            raise Failure("HANDLE_INVALID", "SR", Handle(0))
        return await vdi_disks.copy_disk(call, vdi, sr)
    target, size = call.world[into_vdi], call.world[vdi]["virtual_size"]
    if target["read_only"]:
        raise Failure("VDI_READONLY", Handle(into_vdi))
    if target["virtual_size"] < size:
        raise Failure("VDI_TOO_SMALL", Handle(into_vdi), str(size))
    await vdi_disks.fill_disk(call, vdi, into_vdi)
    return into_vdi


async def resize(call: Call, vdi: Id, size: int) -> None:
    """Make a disk larger; SR_BACKEND_FAILURE_79 for smaller."""
    sr: Id = call.world[vdi]["SR"]
    storage.assert_usable(call, vdi)
    sr_type: str = call.world[sr]["type"]
    wanted, present = storage.rounded_size(sr_type, size), call.world[vdi]["virtual_size"]
    if wanted < present:
        raise Failure("SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=shrinking not allowed]", "")
    async with call.operating((sr, "vdi_resize")):
        await call.takes("VDI.resize")
        with call.world.edit() as edit:
            grows = 0 if storage.is_thin_sr(call.world[sr]) else wanted - present
            storage.require_space(edit, sr, grows)
            if vdi in call.disks:
                call.disks.resize(vdi, wanted)
            edit.set(vdi, virtual_size=wanted)
            storage.charge(edit, sr, virtual=wanted - present)
            storage.measure(call, edit, vdi)


def update(call: Call, vdi: Id) -> None:
    """Ask the driver again how much room the disk takes. SR_HAS_NO_PBDS [sr]."""
    storage.assert_reachable(call, call.world[vdi]["SR"])
    with call.world.edit() as edit:
        storage.measure(call, edit, vdi)


def set_on_boot(call: Call, vdi: Id, value: str) -> None:
    """Set whether the disk loses at each boot what was written to it. Touches its VMs, whose allowed operations depend on it.

    SR_HAS_NO_PBDS [sr].
    """
    storage.assert_reachable(call, call.world[vdi]["SR"])
    with call.world.edit() as edit:
        edit.set(vdi, on_boot=value)
        for vbd in edit[vdi]["VBDs"]:
            edit.set(edit[vbd]["VM"])


def set_metadata_of_pool(call: Call, vdi: Id, value: Id) -> None:
    """Set whose database the disk holds. VDI_INCOMPATIBLE_TYPE [vdi, type] for one that holds nothing but a record of changes."""
    kind: str = call.world[vdi]["type"]
    if kind == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(vdi), kind)
    with call.world.edit() as edit:
        edit.set(vdi, metadata_of_pool=value)


VERBS: Mapping[str, Verb] = {
    "VDI.create": create,
    "VDI.introduce": introduce_by_driver,
    "VDI.pool_introduce": introduce,
    "VDI.db_introduce": introduce,
    "VDI.db_forget": db_forget,
    "VDI.destroy": destroy,
    "VDI.forget": forget,
    "VDI.clone": clone,
    "VDI.snapshot": snapshot,
    "VDI.copy": copy,
    "VDI.resize": resize,
    "VDI.resize_online": resize,
    "VDI.update": update,
    "VDI.set_on_boot": set_on_boot,
    "VDI.set_allow_caching": writes("allow_caching"),
    "VDI.set_name_label": writes("name_label"),
    "VDI.set_name_description": writes("name_description"),
    "VDI.set_sharable": writes("sharable"),
    "VDI.set_read_only": writes("read_only"),
    "VDI.set_managed": writes("managed"),
    "VDI.set_missing": writes("missing"),
    "VDI.set_virtual_size": writes("virtual_size"),
    "VDI.set_physical_utilisation": writes("physical_utilisation"),
    "VDI.set_is_a_snapshot": writes("is_a_snapshot"),
    "VDI.set_snapshot_of": writes("snapshot_of"),
    "VDI.set_snapshot_time": writes("snapshot_time"),
    "VDI.set_metadata_of_pool": set_metadata_of_pool,
    "VDI.set_cbt_enabled": writes("cbt_enabled"),
}
