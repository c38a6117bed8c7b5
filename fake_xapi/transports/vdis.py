"""The VDIs that images go into and come out of: found, checked, and brought up to date afterwards.

May not know in what form or over what an image travels.
"""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.disks import Disk, DiskWriter
from fake_xapi.transports.ports import Xapi
from fake_xapi.verbs.disks import storage


def find_vdi(xapi: Xapi, name: str) -> int:
    """The VDI of a uuid or ref, its disk in place. Failure HANDLE_INVALID, SR_HAS_NO_PBDS."""
    world = xapi.world
    vdi = world.by_uuid("VDI", name) or world.find_ref(name)
    row = world.get(vdi) if vdi else None
    if row is None or row.cls != "VDI":
        raise Failure("HANDLE_INVALID", "VDI", name)
    if not any(world[pbd]["currently_attached"] for pbd in world[row["SR"]]["PBDs"]):
        raise Failure("SR_HAS_NO_PBDS", Handle(row["SR"]))
    if row["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(vdi), row["type"])
    if vdi not in xapi.disks:
        xapi.disks.create(vdi, row["virtual_size"])
    return vdi


def open_for_import(xapi: Xapi, vdi: int, size: int) -> DiskWriter:
    """Write to a VDI that nobody else does; ``size`` is what the image says of itself.

    Failure VDI_READONLY, VDI_IN_USE, VDI_TOO_SMALL.
    """
    row = xapi.world[vdi]
    if row["read_only"]:
        raise Failure("VDI_READONLY", Handle(vdi))
    if any(xapi.world[vbd]["currently_attached"] for vbd in row["VBDs"]):
        raise Failure("VDI_IN_USE", Handle(vdi), "import")
    return writer_of(xapi, vdi, size)


def writer_of(xapi: Xapi, vdi: int, size: int) -> DiskWriter:
    """Write to a VDI that is held for it. Failure VDI_TOO_SMALL."""
    row = xapi.world[vdi]
    if size > row["virtual_size"]:
        raise Failure("VDI_TOO_SMALL", Handle(vdi), str(size))
    return xapi.disks.writer(vdi)


def settle_import(xapi: Xapi, vdi: int, before: Disk) -> None:
    """Let the database know what the image takes.

    Failure HANDLE_INVALID when the VDI was destroyed meanwhile; SR_BACKEND_FAILURE_44 when its SR is full: then the VDI is as before.
    """
    try:
        with xapi.world.edit() as edit:
            row = edit[vdi]
            taken = storage.measured_bytes(xapi, vdi, row, edit[row["SR"]]["type"])
            storage.require_space(edit, row["SR"], max(taken - row["physical_utilisation"], 0))
            storage.measure(xapi, edit, vdi)
    except Failure:
        if vdi in xapi.disks:
            xapi.disks.put(vdi, before)
        raise
