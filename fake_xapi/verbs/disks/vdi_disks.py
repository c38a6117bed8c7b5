"""Disks made from disks: clone, snapshot and copy, each marked on the VDI's SR while it runs."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.lifecycle.storage_types import CHAINED_TYPES, driver_features
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks import chains, disk_fill, storage, vdi_tracking

_KEPT = (
    *("name_label", "name_description", "type", "sharable", "read_only", "other_config", "xenstore_data", "tags", "on_boot"),
    "allow_caching",
)
_KEPT_BY_COPY = tuple(name for name in _KEPT if name != "read_only")


def can_clone(call: Call, vdi: Id) -> bool:
    """Whether a disk's SR can split disks instead of copying them."""
    sr = call.world[call.world[vdi]["SR"]]
    return "VDI_CLONE" in driver_features(sr["type"], call.world.personality.era)


def _kept(row: AnyRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def clone_disk(call: Call, vdi: Id) -> Id:
    """Create a writable disk with the same content: at once where the SR can, otherwise by copying."""
    sr: Id = call.world[vdi]["SR"]
    storage.assert_usable(call, vdi)
    if not can_clone(call, vdi):
        return await copy_disk(call, vdi, sr)
    async with call.operating((sr, "vdi_clone")):
        await call.takes("VDI.clone")
        _settle(call, vdi)
        with call.world.edit() as edit:
            return _split(call, edit, vdi, **_kept(call.world[vdi], _KEPT))


async def snapshot_disk(call: Call, vdi: Id) -> Id:
    """Create a disk with the same content that refers to its origin as its snapshot."""
    sr: Id = call.world[vdi]["SR"]
    storage.assert_usable(call, vdi)
    async with call.operating((sr, "vdi_snapshot")):
        await call.takes("VDI.snapshot")
        _settle(call, vdi)
        row = call.world[vdi]
        with call.world.edit() as edit:
            made = _split(
                call,
                edit,
                vdi,
                **_kept(row, _KEPT),
                is_a_snapshot=True,
                snapshot_of=vdi,
                snapshot_time=call.now(),
                cbt_enabled=row["cbt_enabled"],
            )
        if row["cbt_enabled"]:
            vdi_tracking.hand_over(call, vdi, made)
        return made


def _split(call: Call, edit: Edit, vdi: Id, **fields: Any) -> Id:
    """Create a disk with the same content: on a base shared by both, or independently where an array handles that itself."""
    sr: Id = edit[vdi]["SR"]
    if edit[sr]["type"] in CHAINED_TYPES:
        return chains.split(call, edit, vdi, **fields)
    made = storage.create_vdi(call, edit, sr, edit[vdi]["virtual_size"], **fields)
    if vdi in call.disks:
        call.disks.clone(vdi, made)
    return made


def _settle(call: Call, vdi: Id) -> None:
    """Account for what a guest has written so far, before the disk is split."""
    if call.disks.is_hollow:
        disk_fill.fill(call, [vdi])
        with call.world.edit() as edit:
            storage.measure(call, edit, vdi)


async def copy_disk(call: Call, vdi: Id, sr: Id, *, share: tuple[float, float] = (0.0, 1.0)) -> Id:
    """Create an independent disk with the same content, in any SR. Nothing is left of it when that is cancelled or fails."""
    storage.assert_reachable(call, sr)
    row = call.world[vdi]
    async with call.operating((sr, "vdi_create")):
        with call.world.edit() as edit:
            made = create_disk(call, edit, sr, row["virtual_size"], **_kept(row, _KEPT_BY_COPY), read_only=False)
    try:
        await fill_disk(call, vdi, made, share=share)
    except BaseException:
        with call.world.edit() as edit:
            storage.drop_vdi(call, edit, made)
        raise
    return made


def create_disk(call: Call, edit: Edit, sr: Id, size: int, **fields: Any) -> Id:
    """Create an empty disk as its SR's driver would: the size rounded up, the format in sm_config."""
    sr_type: str = edit[sr]["type"]
    config = {**storage.format_of(sr_type), **fields.pop("sm_config", {})}
    return storage.create_vdi(call, edit, sr, storage.rounded_size(sr_type, size), sm_config=config, **fields)


async def fill_disk(call: Call, source: Id, target: Id, *, share: tuple[float, float] = (0.0, 1.0)) -> None:
    """Copy the content of one disk to another that is at least as large, at the rate of the profile."""
    held = call.disks[source].allocated_bytes if source in call.disks else 0
    target_sr: Id = call.world[target]["SR"]
    storage.require_space(call.world, target_sr, held if storage.is_thin_sr(call.world[target_sr]) else 0)
    await call.takes("VDI.copy", bytes_moved=held, share=share)
    for vdi in (source, target):
        if call.world.get(vdi) is None:
            raise Failure("HANDLE_INVALID", "VDI", Handle(vdi))
    if source not in call.disks:
        return
    size = call.disks[target].size if target in call.disks else int(call.world[target]["virtual_size"])  # a LUN nobody has written on
    call.disks.clone(source, target)
    call.disks.resize(target, size)
    with call.world.edit() as edit:
        storage.measure(call, edit, target)
