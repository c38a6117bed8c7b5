"""The files of patches and updates on disks, and what prechecks find out about a host."""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.update_info import NO_IMAGE, BadInfo, Found, Kind, UpdateInfo, objection, patch_info, update_info
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks.storage import Storage


def patch_of(storage: Storage, patch: Id) -> UpdateInfo:
    """The contents of a patch's file; CANNOT_FIND_PATCH [] when it was cleaned up."""
    if patch not in storage.disks:
        raise Failure("CANNOT_FIND_PATCH")
    try:
        return patch_info(storage.disks.read(patch, 0, storage.disks[patch].size))
    except BadInfo as error:
        raise Failure("INVALID_PATCH_WITH_LOG", str(error)) from error


def update_of(storage: Storage, vdi: Id) -> UpdateInfo:
    """The contents of the image on a VDI; INVALID_UPDATE [what is wrong], HANDLE_INVALID ["VDI", NULL]."""
    if not vdi:
        raise Failure("HANDLE_INVALID", "VDI", Handle(vdi))
    if vdi not in storage.disks:
        raise Failure("INVALID_UPDATE", NO_IMAGE)
    try:
        return update_info(lambda offset, length: storage.disks.read(vdi, offset, length), storage.disks[vdi].size)
    except BadInfo as error:
        raise Failure("INVALID_UPDATE", str(error)) from error


def precheck(call: Call, kind: Kind, subject: Id, info: UpdateInfo, host: Id) -> None:
    """Raise PATCH_PRECHECK_FAILED_* or UPDATE_PRECHECK_FAILED_* [subject, ...] when it cannot be applied to a host."""
    found = objection(kind, info.demands, _found(call, host))
    if found is not None:
        code, params = found
        raise Failure(f"{kind}_PRECHECK_FAILED_{code}", Handle(subject), *params)


def _found(call: Call, host: Id) -> Found:
    world, row = call.world, call.world[host]
    guests = [vm for vm in row["resident_VMs"] if not world[vm]["is_control_domain"]]
    patches = (world[patch]["pool_patch"] for patch in row["patches"] if world[patch]["applied"])
    drives = (world[vbd]["VDI"] for vm in guests for vbd in world[vm]["VBDs"])
    return Found(
        row["software_version"],
        frozenset(world.uuid(one) for one in (*(patch for patch in patches if patch), *row["updates"])),
        bool(guests),
        any(vdi and world[vdi]["is_tools_iso"] for vdi in drives),
    )
