"""Chains of VHDs: how a snapshot or clone splits a disk into a base and two leaves, and how the garbage collector coalesces them.

A base is a VDI named "base copy" that nobody may use; ``sm_config["vhd-parent"]`` of its children holds its uuid.
"""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.disks.storage import Storage

MAX_DEPTH = 30
BASE_NAME = "base copy"
PARENT = "vhd-parent"
_KEPT_SM_CONFIG = ("vdi_type", "type", "vmhint")


def split(store: Storage, edit: Edit, vdi: Id, **fields: Any) -> Id:
    """Create a leaf with the same content as a VDI. Returns it; ``fields`` are those of the new leaf.

    A leaf that holds nothing of its own shares its parent, as vhd-util does: a cached image can be cloned forever.
    Failure SR_BACKEND_FAILURE_109 when the chain is too long, SR_BACKEND_FAILURE_44 when there is no room.
    """
    row = edit[vdi]
    if depth(store, edit, vdi) >= MAX_DEPTH:
        raise Failure("SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", "")
    parent = storage.parent_of(store.world, row)
    base = parent if parent and _holds_nothing(store, vdi, parent) else _make_base(store, edit, vdi)
    return _make_leaf(store, edit, vdi, base, fields)


def depth(store: Storage, edit: Edit, vdi: Id) -> int:
    """The number of VHDs through which a disk is read, its own included."""
    length, current = 1, storage.parent_of(store.world, edit[vdi])
    while current and length <= MAX_DEPTH:
        length, current = length + 1, storage.parent_of(store.world, edit[current])
    return length


def _holds_nothing(store: Storage, vdi: Id, parent: Id) -> bool:
    disks = store.disks
    return vdi in disks and parent in disks and disks[vdi].size == disks[parent].size and not disks.diff(vdi, parent)


def _make_base(store: Storage, edit: Edit, vdi: Id) -> Id:
    """Turn the VDI's present content into a base; the VDI itself goes on as an empty leaf on top."""
    row = edit[vdi]
    sr: Id = row["SR"]
    base = storage.introduce_vdi(
        store,
        edit,
        sr,
        name_label=BASE_NAME,
        type=row["type"],
        virtual_size=row["virtual_size"],
        managed=False,
        read_only=True,
        sm_config={**_format(row), **({PARENT: row["sm_config"][PARENT]} if PARENT in row["sm_config"] else {})},
    )
    if vdi in store.disks:
        store.disks.clone(vdi, base)
    edit.set(vdi, sm_config={**row["sm_config"], PARENT: store.world.uuid(base)})
    _size_base(store, edit, vdi, base)
    return base


def _size_base(store: Storage, edit: Edit, vdi: Id, base: Id) -> None:
    """Move the VDI's allocation to the base, deflated; the VDI now takes what an empty leaf takes."""
    row, sr = edit[vdi], edit[vdi]["SR"]
    sr_type: str = edit[sr]["type"]
    in_base = storage.measured_bytes(store, base, edit[base], sr_type) or row["physical_utilisation"]
    in_leaf = storage.taken_bytes(sr_type, row["virtual_size"], 0, is_deflated=row["is_a_snapshot"])
    grows = in_base + in_leaf - row["physical_utilisation"]
    storage.require_space(edit, sr, grows)
    edit.set(base, physical_utilisation=in_base)
    edit.set(vdi, physical_utilisation=in_leaf)
    storage.charge(edit, sr, physical=grows, virtual=row["virtual_size"])


def _make_leaf(store: Storage, edit: Edit, vdi: Id, base: Id, fields: dict[str, Any]) -> Id:
    row = edit[vdi]
    sr: Id = row["SR"]
    is_snapshot = bool(fields.get("is_a_snapshot", False))
    taken = storage.taken_bytes(edit[sr]["type"], row["virtual_size"], 0, is_deflated=is_snapshot)
    storage.require_space(edit, sr, taken)
    leaf = storage.introduce_vdi(
        store,
        edit,
        sr,
        virtual_size=row["virtual_size"],
        physical_utilisation=taken,
        sm_config={**_format(row), PARENT: store.world.uuid(base)},
        **fields,
    )
    if vdi in store.disks:
        store.disks.clone(vdi, leaf)
    storage.charge(edit, sr, physical=taken, virtual=row["virtual_size"])
    return leaf


def _format(row: Any) -> dict[str, str]:
    return {"vdi_type": "vhd", **{key: value for key, value in row["sm_config"].items() if key in _KEPT_SM_CONFIG}}


# ---- garbage collection ----------------------------------------------------------------------------------------------------------


def collect_later(call: Call, sr: Id, cause: Id) -> None:
    """Run the garbage collector of an SR some time after a disk was removed from it."""
    call.spawn(f"coalesce {sr} {cause}", _collect(call, sr))


async def _collect(call: Call, sr: Id) -> None:
    await call.takes("coalesce")
    if call.world.get(sr) is not None:
        with call.world.edit() as edit:
            collect(call, edit, sr)


def collect(store: Storage, edit: Edit, sr: Id) -> None:
    """Remove bases without children, and coalesce each base that has a single child with it, until neither is left."""
    while _collect_one(store, edit, sr):
        pass


def _collect_one(store: Storage, edit: Edit, sr: Id) -> bool:
    children: dict[str, list[Id]] = {}
    bases: list[Id] = []
    for vdi in edit[sr]["VDIs"]:
        row = edit[vdi]
        if not row["managed"]:
            bases.append(vdi)
        if PARENT in row["sm_config"]:
            children.setdefault(row["sm_config"][PARENT], []).append(vdi)
    for base in bases:
        own = children.get(store.world.uuid(base), [])
        if not own:
            storage.drop_vdi(store, edit, base)
            return True
        if len(own) == 1 and not edit[own[0]]["current_operations"]:
            _join(store, edit, base, own[0], children)
            return True
    return False


def _join(store: Storage, edit: Edit, base: Id, child: Id, children: dict[str, list[Id]]) -> None:
    """Coalesce a base with its only child: a leaf absorbs its base; a base absorbs the base above it and takes over that one's children."""
    if edit[child]["managed"]:
        _relink(edit, child, edit[base]["sm_config"].get(PARENT))
        storage.drop_vdi(store, edit, base)
        storage.measure(store, edit, child)
        return
    for grandchild in children.get(store.world.uuid(child), []):
        _relink(edit, grandchild, store.world.uuid(base))
    if child in store.disks:
        store.disks.clone(child, base)
    storage.drop_vdi(store, edit, child)
    storage.measure(store, edit, base)


def _relink(edit: Edit, vdi: Id, parent: str | None) -> None:
    config = {key: value for key, value in edit[vdi]["sm_config"].items() if key != PARENT}
    edit.set(vdi, sm_config={**config, PARENT: parent} if parent else config)
