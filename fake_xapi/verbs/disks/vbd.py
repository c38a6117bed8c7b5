"""The verbs of VBD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.requests import give_back
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.lifecycle.rules import busy_with
from fake_xapi.lifecycle.vbd import is_plugged
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import devices
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.vms import domains

ATTACHABLE_TYPES = frozenset({"system", "user", "ephemeral", "suspend", "crashdump", "metadata", "rrd", "pvs_cache"})
_ATTACHABLE_TYPES_OF_2012 = ATTACHABLE_TYPES - {"rrd", "pvs_cache"}
_KNOWN_ALGORITHMS = frozenset({"", "ionice"})
_MIGRATIONS = frozenset({"pool_migrate", "migrate_send"})


def create(call: Call, record: dict[str, Any]) -> Id:
    """A new VBD, not plugged. ``currently_attached`` and ``device`` are believed of a suspended VM alone."""
    world = call.world
    vm = world[record["VM"]]
    _check_medium(world, record)
    if _MIGRATIONS & set(vm["current_operations"].values()):
        raise busy_with(world, record["VM"])
    fields = {**record, "userdevice": devices.claim_disk(world, vm, record["userdevice"])}
    if vm["power_state"] != "Suspended":
        fields.update(currently_attached=False, device="")
    with world.edit() as edit:
        return create_row(edit, **fields)


def _check_medium(world: World, record: dict[str, Any]) -> None:
    """Check a VBD apart from its number, in XAPI's order.

    Failures HANDLE_INVALID ["VDI", NULL], VDI_INCOMPATIBLE_TYPE [vdi, type], VBD_CDS_MUST_BE_READONLY [], VBD_NOT_REMOVABLE_MEDIA, in
    the releases of 2012 VDI_IS_NOT_ISO [vdi, content_type], and VDI_READONLY [vdi].
    """
    vdi = None if record["empty"] else world.get(record["VDI"])
    if vdi is None and not record["empty"]:
        raise Failure("HANDLE_INVALID", "VDI", Handle(NULL))
    if vdi is not None:
        _check_type(world, record["VDI"], vdi)
    if record["type"] == "CD" and record["mode"] != "RO":
        raise Failure("VBD_CDS_MUST_BE_READONLY")
    if record["type"] != "CD" and record["empty"]:
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", "in constructor")
    if record["type"] == "CD" and vdi is not None:
        _assert_iso(world, record["VDI"])
    if vdi is not None and record["mode"] == "RW" and vdi["read_only"]:
        raise Failure("VDI_READONLY", Handle(record["VDI"]))


def _check_type(world: World, vdi: Id, row: Row) -> None:
    attachable = ATTACHABLE_TYPES if world.personality.era == "modern" else _ATTACHABLE_TYPES_OF_2012
    if row["type"] not in attachable:
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(vdi), row["type"])


def _assert_iso(world: World, vdi: Id) -> None:
    """Refuse what is not on an SR of media: only the releases of 2012 insist on that."""
    content: str = world[world[vdi]["SR"]]["content_type"]
    if world.personality.era != "modern" and content != "iso":
        raise Failure("VDI_IS_NOT_ISO", Handle(vdi), content)


def create_row(edit: Edit, **fields: Any) -> Id:
    """Create a VBD with its metrics; an empty one has no VDI."""
    if fields.get("empty"):
        fields["VDI"] = 0
    return edit.create("VBD", **fields, metrics=edit.create("VBD_metrics"))


def destroy(call: Call, vbd: Id) -> None:
    """Destroy a VBD that is not attached."""
    row = call.world[vbd]
    if is_plugged(row):
        text = f"VBD '{call.world.uuid(vbd)}' still attached to '{call.world.uuid(row['VM'])}'"
        raise Failure("OPERATION_NOT_ALLOWED", text)
    with call.world.edit() as edit:
        storage.drop_vbd(edit, vbd)


async def plug(call: Call, vbd: Id) -> None:
    """Attach a disk to a running VM."""
    await call.takes("VBD.plug")
    row = call.world[vbd]
    has_ide = devices.is_hvm(call.world[row["VM"]]) and call.world.personality.era != "modern"
    with call.world.edit() as edit:
        edit.set(vbd, currently_attached=True, device=domains.device_name(row["userdevice"], has_ide=has_ide))
        edit.set(vbd, qos_supported_algorithms=_unsupported(row["qos_algorithm_type"]))


def _unsupported(algorithm: str) -> tuple[str, ...]:
    """The algorithms for qos_supported_algorithms: XAPI lists there the one that was requested but is unknown."""
    return (algorithm,) if algorithm not in _KNOWN_ALGORITHMS else ()


async def unplug(call: Call, vbd: Id) -> None:
    """Detach a disk from a running VM, once its guest releases it."""
    await give_back(call, vbd)
    await unplug_force(call, vbd)


async def unplug_force(call: Call, vbd: Id) -> None:
    """Detach a disk from a running VM without waiting for its guest."""
    await call.takes("VBD.unplug")
    with call.world.edit() as edit:
        edit.set(vbd, currently_attached=False, device="")


async def unplug_force_no_safety_check(call: Call, vbd: Id) -> None:
    """Detach a disk, whatever anybody is doing with it; does nothing when it is detached. Deprecated."""
    if call.world[vbd]["currently_attached"]:
        await unplug_force(call, vbd)


async def insert(call: Call, vbd: Id, vdi: Id) -> None:
    """Put a medium into a drive. The medium must allow another reader."""
    _check_insertion(call, vbd, vdi)
    await call.takes("VBD.insert")
    with call.world.edit() as edit:
        edit.set(vbd, VDI=vdi, empty=False)


def _check_insertion(call: Call, vbd: Id, vdi: Id) -> None:
    medium, drive = call.world[vdi], call.world[vbd]
    _check_type(call.world, vdi, medium)
    _assert_iso(call.world, vdi)
    storage.assert_managed(call, vdi)
    holders = (call.world[other] for other in medium["VBDs"])
    is_written = any(is_plugged(other) and "RW" in (other["mode"], drive["mode"]) for other in holders)
    if is_written and not medium["sharable"]:
        raise Failure("VDI_IN_USE", Handle(vdi))


async def eject(call: Call, vbd: Id) -> None:
    """Take the medium out of a drive."""
    await call.takes("VBD.eject")
    with call.world.edit() as edit:
        edit.set(vbd, VDI=0, empty=True)


def set_mode(call: Call, vbd: Id, value: str) -> None:
    """Make a VBD of a halted VM read-only or writable."""
    row = call.world[vbd]
    state: str = call.world[row["VM"]]["power_state"]
    if state != "Halted":
        raise Failure("VM_BAD_POWER_STATE", Handle(row["VM"]), "halted", state.lower())
    _check_medium(call.world, {"type": row["type"], "empty": row["empty"], "mode": value, "VDI": row["VDI"]})
    with call.world.edit() as edit:
        edit.set(vbd, mode=value)


def assert_attachable(call: Call, vbd: Id) -> None:
    """Raise the reason why a VBD could not be attached."""
    failure = LIFECYCLES["VBD"].check(call.world, vbd, "attach")
    if failure is not None:
        raise failure


def pause(call: Call, vbd: Id) -> str:
    """Stop the traffic of a VBD; the text returned has to be given to ``unpause``."""
    return call.world.uuid(vbd)


def unpause(call: Call, vbd: Id, token: str) -> None:
    """Resume the traffic of a VBD."""


VERBS: Mapping[str, Verb] = {
    "VBD.create": create,
    "VBD.destroy": destroy,
    "VBD.plug": plug,
    "VBD.unplug": unplug,
    "VBD.unplug_force": unplug_force,
    "VBD.unplug_force_no_safety_check": unplug_force_no_safety_check,
    "VBD.insert": insert,
    "VBD.eject": eject,
    "VBD.set_mode": set_mode,
    "VBD.assert_attachable": assert_attachable,
    "VBD.pause": pause,
    "VBD.unpause": unpause,
}
