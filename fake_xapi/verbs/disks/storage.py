"""Room on SRs: what a VDI takes, what an SR has left, and the creation and removal of VDIs' rows along with their room.

Disks on ext, file and NFS take room as they are written; those on LVM take all of it at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.lifecycle.storage_types import CHAINED_TYPES, RAW_TYPES, is_thin
from fake_xapi.lifecycle.vdi import any_plugged_pbd
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

MIB = 1 << 20
MAX_VHD_BYTES = 2040 << 30
_BLOCK = 2 * MIB
_EXTENT = 4 * MIB
_LOGGED_BYTES = 64 << 10


class Storage(Protocol):
    """Anything that has a world and the bytes of its VDIs: a call, or a handler that fills a disk."""

    @property
    def world(self) -> World:
        """The pool's database."""
        ...

    @property
    def disks(self) -> DiskStore:
        """The bytes of the VDIs, keyed by their ids."""
        ...


def assert_reachable(store: Storage, sr: Id) -> None:
    """Raise SR_HAS_NO_PBDS [sr] when no host is connected to an SR."""
    if not any_plugged_pbd(store.world, store.world[sr]):
        raise Failure("SR_HAS_NO_PBDS", Handle(sr))


def assert_usable(store: Storage, vdi: Id) -> None:
    """Raise SR_HAS_NO_PBDS [sr] when no host sees a disk, VDI_NOT_MANAGED [vdi] for one that only its SR's driver may touch."""
    assert_reachable(store, store.world[vdi]["SR"])
    assert_managed(store, vdi)


def assert_managed(store: Storage, vdi: Id) -> None:
    """Raise VDI_NOT_MANAGED [vdi] for the base of a chain: whoever touched it would break the disks above it."""
    if not store.world[vdi]["managed"]:
        raise Failure("VDI_NOT_MANAGED", Handle(vdi))


def out_of_space() -> Failure:
    """The error of an SR's driver when the SR is full."""
    return Failure("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")


def rounded_size(sr_type: str, size: int) -> int:
    """The size to which a driver rounds a requested one; Failure SR_BACKEND_FAILURE_79 for an impossible size."""
    if size <= 0 or (sr_type not in RAW_TYPES and size > MAX_VHD_BYTES):
        raise Failure(
            "SR_BACKEND_FAILURE_79", "", f"VDI Invalid size [opterr=VDI size must be between 1 MB and {MAX_VHD_BYTES // MIB} MB]", ""
        )
    step = 512 if sr_type in RAW_TYPES else _BLOCK
    return -(-size // step) * step


def metadata_bytes(virtual_size: int) -> int:
    """The header, table and footer of a VHD without data."""
    return 2048 + -(-virtual_size // _BLOCK * 4 // 512) * 512 + 512


def taken_bytes(sr_type: str, virtual_size: int, allocated: int, *, is_deflated: bool) -> int:
    """The room that a disk takes on its SR. A snapshot or base on LVM is deflated to what it holds."""
    if sr_type in RAW_TYPES:
        return virtual_size
    written = allocated + metadata_bytes(virtual_size)
    if is_thin(sr_type):
        return written
    return -(-(written if is_deflated else virtual_size + metadata_bytes(virtual_size)) // _EXTENT) * _EXTENT


def log_bytes(sr_type: str, virtual_size: int) -> int:
    """The room that a log of changed blocks takes."""
    bitmap = -(-virtual_size // _LOGGED_BYTES // 8) + 512
    return bitmap if is_thin(sr_type) else -(-bitmap // _EXTENT) * _EXTENT


def is_thin_sr(sr: AnyRow) -> bool:
    """Whether disks of an SR take room only as they are written."""
    return is_thin(sr["type"])


def format_of(sr_type: str) -> dict[str, str]:
    """The format of an SR's disks, as its driver reports it in sm_config."""
    return {"vdi_type": "vhd"} if sr_type in CHAINED_TYPES else {}


def free_bytes(sr: AnyRow) -> int | None:
    """The room that an SR has left; None when its size is unknown."""
    size: int = sr["physical_size"]
    return size - int(sr["physical_utilisation"]) if size > 0 else None


def require_space(rows: Edit | World, sr: Id, wanted: int) -> None:
    """Raise SR_BACKEND_FAILURE_44 when an SR does not have that much left."""
    free = free_bytes(rows[sr])
    if free is not None and wanted > free:
        raise out_of_space()


def charge(edit: Edit, sr: Id, *, physical: int = 0, virtual: int = 0) -> None:
    """Add to an SR's recorded usage, or take back what was added, whatever a client wrote there."""
    row = edit[sr]
    counted = physical if row["physical_size"] >= 0 else 0
    edit.set(
        sr,
        physical_utilisation=_int64(row["physical_utilisation"] + counted),
        virtual_allocation=_int64(row["virtual_allocation"] + virtual),
    )


def _int64(number: int) -> int:
    """A sum as XAPI's integers of 64 bits hold it: beyond the largest comes the smallest."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def create_vdi(store: Storage, edit: Edit, sr: Id, virtual_size: int, **fields: Any) -> Id:
    """Create a VDI of zeros with its disk, charged to its SR. ``virtual_size`` must come from ``rounded_size``."""
    sr_type: str = edit[sr]["type"]
    taken = taken_bytes(sr_type, virtual_size, 0, is_deflated=False)
    require_space(edit, sr, taken)
    vdi = introduce_vdi(store, edit, sr, virtual_size=virtual_size, physical_utilisation=taken, **fields)
    store.disks.create(vdi, virtual_size)
    charge(edit, sr, physical=taken, virtual=virtual_size)
    return vdi


def introduce_vdi(store: Storage, edit: Edit, sr: Id, **fields: Any) -> Id:
    """Create the row of a VDI and nothing else; its driver supplies location and format."""
    vdi = edit.create("VDI", SR=sr, **{"managed": True, **fields})
    if not edit[vdi]["location"]:
        edit.set(vdi, location=edit[vdi]["uuid"] or store.world.uuid(vdi))
    return vdi


def drop_vdi(store: Storage, edit: Edit, vdi: Id) -> None:
    """Destroy a VDI's row and disk and free its room, along with the VBDs that refer to it."""
    row = edit[vdi]
    for vbd in row["VBDs"]:
        drop_vbd(edit, vbd)
    charge(edit, row["SR"], physical=-row["physical_utilisation"], virtual=-row["virtual_size"])
    edit.destroy(vdi)
    if vdi in store.disks:
        store.disks.destroy(vdi)


def drop_vbd(edit: Edit, vbd: Id) -> None:
    """Destroy a VBD's row and its metrics."""
    metrics: Id = edit[vbd]["metrics"]
    if metrics and edit.get(metrics) is not None:
        edit.destroy(metrics)
    edit.destroy(vbd)


def parent_of(world: World, vdi: AnyRow) -> Id:
    """The VDI on which a VHD builds, NULL for the root of a chain."""
    uuid: str = vdi["sm_config"].get("vhd-parent", "")
    return world.by_uuid("VDI", uuid) if uuid else 0


def measured_bytes(store: Storage, vdi: Id, row: AnyRow, sr_type: str) -> int:
    """The room that a VDI takes now, according to its disk. One without bytes keeps the figure in its row."""
    if row["type"] == "cbt_metadata":
        return log_bytes(sr_type, row["virtual_size"])
    if vdi not in store.disks:
        return int(row["physical_utilisation"])
    parent = parent_of(store.world, row)
    allocated = store.disks.allocated_bytes(vdi, parent if parent in store.disks else None)
    is_deflated = row["is_a_snapshot"] or not row["managed"]
    return taken_bytes(sr_type, row["virtual_size"], allocated, is_deflated=is_deflated)


def measure(store: Storage, edit: Edit, vdi: Id) -> None:
    """Update a VDI's physical_utilisation, and its SR's, after bytes were written to the disk."""
    row = edit[vdi]
    taken = measured_bytes(store, vdi, row, edit[row["SR"]]["type"])
    charge(edit, row["SR"], physical=taken - row["physical_utilisation"])
    edit.set(vdi, physical_utilisation=taken)


def rescan(store: Storage, edit: Edit, sr: Id) -> None:
    """Recompute the sizes of an SR from all its VDIs."""
    row = edit[sr]
    for vdi in row["VDIs"]:
        edit.set(vdi, physical_utilisation=measured_bytes(store, vdi, edit[vdi], row["type"]))
    edit.set(
        sr,
        virtual_allocation=_int64(sum(edit[vdi]["virtual_size"] for vdi in row["VDIs"])),
        physical_utilisation=_int64(sum(edit[vdi]["physical_utilisation"] for vdi in row["VDIs"])),
        other_config={key: value for key, value in row["other_config"].items() if key != "dirty"},
    )
