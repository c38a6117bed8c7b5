"""VM.revert: a VM becomes again what its snapshot kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import chains, storage, vdi_disks
from fake_xapi.verbs.disks.vbd import create_row as create_vbd
from fake_xapi.verbs.networks.vif import create_row as create_vif
from fake_xapi.verbs.networks.vif import drop_row as drop_vif
from fake_xapi.verbs.vms.device_copies import copy_cards
from fake_xapi.verbs.vms.vm_copies import COPIED_FIELDS, Disks, copied_vbd, copied_vif, discard_disks, make_disks
from fake_xapi.verbs.vms.vm_life import drop_vm
from fake_xapi.verbs.vms.vm_power import hard_shutdown

_KEPT_FROM_VM = frozenset({"tags", "affinity"})


async def revert(call: Call, snapshot: Id) -> None:
    """Give a VM its snapshot's fields, disks and interfaces; a VM that is gone comes back under its uuid.

    Disks that the snapshot does not know are left behind, detached. It ends halted, or suspended when memory was kept. One that fails
    leaves a VM that was there as it is, halted, and none that was not.
    """
    vm: Id = call.world[snapshot]["snapshot_of"]
    if vm:
        await _revert(call, vm, snapshot)
        return
    vm = _resurrect(call, snapshot)
    try:
        await _revert(call, vm, snapshot)
    except BaseException:
        with call.world.edit() as edit:
            drop_vm(edit, vm)
        raise


async def _revert(call: Call, vm: Id, snapshot: Id) -> None:
    async with call.operating((vm, "reverting")):
        if call.world[vm]["power_state"] != "Halted":
            await hard_shutdown(call, vm)
        disks = await make_disks(call, snapshot, lambda vdi: vdi_disks.clone_disk(call, vdi))
        image = await _image_of(call, snapshot, disks)
        with call.world.edit() as edit:
            _replace_disks(call, edit, vm, snapshot, disks)
            _replace_interfaces(call, edit, vm, snapshot)
            _restore_fields(call, edit, vm, snapshot)
            if image:
                edit.set(vm, power_state="Suspended", suspend_VDI=image)
    for sr in {call.world[vdi]["SR"] for vdi in disks.made}:
        chains.collect_later(call, sr, vm)
    name, uuid = call.world[vm]["name_label"], call.world.uuid(vm)
    call.announce("VM_SNAPSHOT_REVERTED", vm, f"VM '{name}' (uuid: {uuid}) reverted to snapshot")


async def _image_of(call: Call, snapshot: Id, disks: Disks) -> Id:
    """A copy of the memory that the snapshot kept, NULL when it kept none; without it the disks are of no use either."""
    if call.world[snapshot]["power_state"] != "Suspended":
        return 0
    try:
        return await vdi_disks.clone_disk(call, call.world[snapshot]["suspend_VDI"])
    except BaseException:
        discard_disks(call, disks.made)
        raise


def _kept(call: Call, snapshot: Id) -> dict[str, Any]:
    """What the snapshot says of its VM; Failure VM_REVERT_FAILED when it says nothing."""
    try:
        kept: dict[str, Any] = json.loads(call.world[snapshot]["snapshot_metadata"])
    except ValueError:
        raise Failure("VM_REVERT_FAILED", call.world.ref(snapshot), call.world.ref(0)) from None
    return kept


def _resurrect(call: Call, snapshot: Id) -> Id:
    kept = _kept(call, snapshot)
    with call.world.edit() as edit:
        vm = edit.create("VM", uuid=kept["uuid"], name_label=kept["name_label"], domid=-1, metrics=edit.create("VM_metrics"))
        for other in _siblings(call, kept["uuid"]):
            edit.set(other, snapshot_of=vm)
    return vm


def _siblings(call: Call, uuid: str) -> list[Id]:
    """The snapshots of a VM that is gone."""
    rows = ((vm, row) for vm, row in call.world.rows("VM") if row["is_a_snapshot"] and not row["snapshot_of"])
    return [vm for vm, row in rows if f'"uuid": "{uuid}"' in row["snapshot_metadata"]]


def _replace_disks(call: Call, edit: Edit, vm: Id, snapshot: Id, disks: Disks) -> None:
    originals = {call.world[call.world[vbd]["VDI"]]["snapshot_of"]: made for vbd, made in disks.by_vbd.items()}
    for vbd in edit[vm]["VBDs"]:
        vdi = edit[vbd]["VDI"]
        storage.drop_vbd(edit, vbd)
        if vdi in originals:
            _replace_disk(call, edit, vdi, originals[vdi])
    for vbd in edit[snapshot]["VBDs"]:
        source = call.world[vbd]
        vdi = disks.by_vbd.get(vbd, source["VDI"])
        create_vbd(edit, VM=vm, VDI=vdi, **copied_vbd(source))


def _replace_disk(call: Call, edit: Edit, old: Id, new: Id) -> None:
    """The new disk takes the old one's place: all its snapshots are snapshots of the new one now."""
    for snapshot in edit[old]["snapshots"]:
        edit.set(snapshot, snapshot_of=new)
    storage.drop_vdi(call, edit, old)


def _replace_interfaces(call: Call, edit: Edit, vm: Id, snapshot: Id) -> None:
    for vif in edit[vm]["VIFs"]:
        drop_vif(edit, vif)
    for vif in edit[snapshot]["VIFs"]:
        create_vif(edit, VM=vm, **copied_vif(call.world[vif]))
    for vgpu in edit[vm]["VGPUs"]:
        edit.destroy(vgpu)
    copy_cards(edit, edit[snapshot], vm)


def _restore_fields(call: Call, edit: Edit, vm: Id, snapshot: Id) -> None:
    row = call.world[snapshot]
    fields = {field: row[field] for field in COPIED_FIELDS if field not in _KEPT_FROM_VM}
    edit.set(
        vm,
        **fields,
        name_label=_kept(call, snapshot)["name_label"],
        other_config=row["other_config"],
        ha_restart_priority=row["ha_restart_priority"],
        parent=snapshot,
    )


VERBS: Mapping[str, Verb] = {"VM.revert": revert}
