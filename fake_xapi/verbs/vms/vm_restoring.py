"""VM.revert: a VM becomes again what its snapshot kept."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import pvs_proxies
from fake_xapi.verbs.disks import chains, storage, vdi_disks
from fake_xapi.verbs.disks.vbd import create_row as create_vbd
from fake_xapi.verbs.networks.vif import create_row as create_vif
from fake_xapi.verbs.networks.vif import drop_row as drop_vif
from fake_xapi.verbs.vms import snapshot_metadata
from fake_xapi.verbs.vms.device_copies import copy_cards
from fake_xapi.verbs.vms.vm_copies import Disks, copied_vbd, copied_vif, copy_row, discard_disks, fresh_generation, make_disks
from fake_xapi.verbs.vms.vm_life import drop_vm
from fake_xapi.verbs.vms.vm_power import hard_shutdown

_TOLD_AS_THEY_ARE = frozenset({"SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_109", "VDI_INCOMPATIBLE_TYPE"})
"""What goes wrong with disks that a caller can do something about; all else is VM_REVERT_FAILED."""


async def revert(call: Call, snapshot: Id) -> None:
    """Give a VM its snapshot's fields, disks and interfaces; a VM that is gone comes back under its uuid.

    Nobody can cancel it: half of it would be a broken VM. Disks that the snapshot does not know are left behind, detached. It ends
    halted, or suspended when memory was kept. One that fails leaves a VM that was there with its disks, halted, and none that was not.
    Failures INVALID_VALUE ["Invalid vm_string"], no room for disks as it is told, and VM_REVERT_FAILED [snapshot, vm].
    """
    call.finish_regardless()
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
        fields = snapshot_metadata.fields_of(call.world, snapshot)
        call.progress(_FIELDS_DONE)
        try:
            disks = await make_disks(call, snapshot, lambda vdi: vdi_disks.clone_disk(call, vdi))
            call.progress(_DISKS_DONE)
            image = await _image_of(call, snapshot, disks)
        except Failure as failure:
            raise failure if failure.code in _TOLD_AS_THEY_ARE else _failed(snapshot, vm) from None
        with call.world.edit() as edit:
            edit.set(vm, **fields, parent=snapshot)
            edit.set(vm, generation_id=fresh_generation(call) if edit[vm]["generation_id"] else "")
            _replace_disks(call, edit, vm, snapshot, disks)
            _replace_devices(call, edit, vm, snapshot)
            _replace_metrics(edit, vm, snapshot)
            if image:
                edit.set(vm, power_state="Suspended", suspend_VDI=image)
    for sr in {call.world[vdi]["SR"] for vdi in disks.made}:
        chains.collect_later(call, sr, vm)
    name, uuid = call.world[vm]["name_label"], call.world.uuid(vm)
    call.announce("VM_SNAPSHOT_REVERTED", vm, f"VM '{name}' (uuid: {uuid}) reverted to snapshot")


_FIELDS_DONE, _DISKS_DONE = 0.1, 0.5


def _failed(snapshot: Id, vm: Id) -> Failure:
    return Failure("VM_REVERT_FAILED", Handle(snapshot), Handle(vm))


async def _image_of(call: Call, snapshot: Id, disks: Disks) -> Id:
    """A copy of the memory that the snapshot kept, NULL when it kept none; without it the disks are of no use either."""
    if call.world[snapshot]["power_state"] != "Suspended":
        return NULL
    try:
        return await vdi_disks.clone_disk(call, call.world[snapshot]["suspend_VDI"])
    except BaseException:
        discard_disks(call, disks.made)
        raise


def _resurrect(call: Call, snapshot: Id) -> Id:
    """The VM that a snapshot was made of, again, without anything yet."""
    try:
        uuid = snapshot_metadata.kept_by(call.world, snapshot)["uuid"]
    except (Failure, KeyError):
        raise _failed(snapshot, NULL) from None
    with call.world.edit() as edit:
        vm = edit.create("VM", uuid=uuid, domid=-1, metrics=edit.create("VM_metrics"))
        for other in _siblings(call, uuid):
            edit.set(other, snapshot_of=vm)
    return vm


def _siblings(call: Call, uuid: str) -> list[Id]:
    """The snapshots of a VM that is gone."""
    rows = ((vm, row) for vm, row in call.world.rows("VM") if row["is_a_snapshot"] and not row["snapshot_of"])
    return [vm for vm, row in rows if snapshot_metadata.is_kept_of(uuid, row["snapshot_metadata"])]


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
        create_vbd(edit, VM=vm, VDI=vdi, **copied_vbd(source), other_config=source["other_config"])


def _replace_disk(call: Call, edit: Edit, old: Id, new: Id) -> None:
    """The new disk takes the old one's place: all its snapshots are snapshots of the new one now."""
    for snapshot in edit[old]["snapshots"]:
        edit.set(snapshot, snapshot_of=new)
    storage.drop_vdi(call, edit, old)


def _replace_devices(call: Call, edit: Edit, vm: Id, snapshot: Id) -> None:
    """Interfaces and cards as the snapshot has them; USB devices go, for no VM with one can be snapshotted."""
    for vif in edit[vm]["VIFs"]:
        drop_vif(edit, vif)
    for vif in edit[snapshot]["VIFs"]:
        pvs_proxies.copy(edit, vif, create_vif(edit, VM=vm, **copied_vif(call.world[vif])))
    for device in (*edit[vm]["VUSBs"], *edit[vm]["VGPUs"]):
        edit.destroy(device)
    copy_cards(edit, edit[snapshot], vm)


def _replace_metrics(edit: Edit, vm: Id, snapshot: Id) -> None:
    """What was known of the guest, and in modern releases of its domain, as the snapshot knows it."""
    replaced = {"guest_metrics": "VM_guest_metrics"} if edit.personality.era != "modern" else _METRICS
    for field, cls in replaced.items():
        old: Id = edit[vm][field]
        if old and edit.get(old) is not None:
            edit.destroy(old)
        edit.set(vm, **{field: copy_row(edit, edit.get(edit[snapshot][field]), cls)})


_METRICS = {"guest_metrics": "VM_guest_metrics", "metrics": "VM_metrics"}


VERBS: Mapping[str, Verb] = {"VM.revert": revert}
