"""Importing an archive's metadata into a world: in one edit, so that a refusal leaves nothing behind.

What an archive's VMs lean on (hosts, SRs, networks) is looked for here; VMs and their devices are made. Disks are made as well when
their bytes follow; where the metadata comes alone they must be here already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives.archive import Archive, Exported, assert_compatible
from fake_xapi.verbs.archives.archive_devices import import_device, import_network
from fake_xapi.verbs.archives.archive_disks import import_disk
from fake_xapi.verbs.archives.archive_importing import Imported, Importing, Plan
from fake_xapi.verbs.archives.archive_vms import assert_can_restore, import_vm, link_snapshots
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.vms.vm_life import drop_vm


class DryRun(Exception):
    """Raised to end the edit of a dry run, so that nothing of it stays."""


def _find_host(importing: Importing, made: Exported) -> None:
    importing.note(made, importing.call.world.by_uuid("host", str(made.snapshot.get("uuid", ""))))


def _find_sr(importing: Importing, made: Exported) -> None:
    """The same SR, or the one to which all disks go; never one of ISOs."""
    if not importing.plan.sr:
        importing.note(made, importing.call.world.by_uuid("SR", str(made.snapshot.get("uuid", ""))))
    elif made.snapshot.get("content_type") != "iso":
        importing.note(made, importing.plan.sr)


def _find_gpu_group(importing: Importing, made: Exported) -> None:
    """Any group that supports the same types."""
    wanted = set(made.snapshot.get("GPU_types", ()))
    groups = (identity for identity, row in importing.call.world.rows("GPU_group") if set(row["GPU_types"]) == wanted)
    importing.note(made, min(groups, default=0))


def _find_vgpu_type(importing: Importing, made: Exported) -> None:
    """The type with the same vendor and model."""
    wanted = (made.snapshot.get("vendor_name"), made.snapshot.get("model_name"))
    types = importing.call.world.rows("VGPU_type")
    importing.note(made, min((identity for identity, row in types if (row["vendor_name"], row["model_name"]) == wanted), default=0))


def _import_guest_metrics(importing: Importing, made: Exported) -> None:
    fields = {name: value for name, value in importing.fields(made).items() if name != "uuid"}
    importing.note(made, importing.edit.create("VM_guest_metrics", **fields))


HANDLERS: tuple[tuple[str, Callable[[Importing, Exported], None]], ...] = (
    ("host", _find_host),
    ("SR", _find_sr),
    ("VDI", import_disk),
    ("VM_guest_metrics", _import_guest_metrics),
    ("VM", import_vm),
    ("network", import_network),
    ("GPU_group", _find_gpu_group),
    ("VGPU_type", _find_vgpu_type),
    ("VBD", import_device),
    ("VIF", import_device),
    ("VGPU", import_device),
    ("VTPM", import_device),
)
"""How each class is imported, in an order in which everything comes after what it depends on."""


def take_in(call: Call, archive: Archive, plan: Plan) -> Imported:
    """Create an archive's VMs. A dry run only reports what is wrong.

    Failures IMPORT_INCOMPATIBLE_VERSION, DUPLICATE_VM [vm], VM_BAD_POWER_STATE, VM_TO_IMPORT_IS_NOT_NEWER_VERSION [vm, here, there],
    VDI_LOCATION_MISSING [sr, location], VDI_CONTENT_ID_MISSING, IMPORT_ERROR_FAILED_TO_FIND_OBJECT [id], IMPORT_ERROR [text].
    """
    assert_compatible(archive, call.world.personality)
    if plan.restores:
        assert_can_restore(call, archive)
    made_disks: list[Id] = []
    try:
        with call.world.edit() as edit:
            importing = Importing(call, edit, plan, archive.objects)
            try:
                _take_in(importing)
            finally:
                made_disks = [disk.vdi for disk in importing.disks]
    except DryRun:
        return Imported((), (), ())
    except BaseException:
        _forget_bytes(call, made_disks)
        raise
    return importing.result()


def _take_in(importing: Importing) -> None:
    known = importing.call.world.personality.classes
    for cls, handle in HANDLERS:
        for made in importing.objects.values() if cls in known else ():
            if made.cls == cls:
                handle(importing, made)
    link_snapshots(importing)
    if importing.plan.is_dry_run:
        raise DryRun


def _forget_bytes(call: Call, vdis: Iterable[Id]) -> None:
    for vdi in vdis:
        if vdi in call.disks and call.world.get(vdi) is None:
            call.disks.destroy(vdi)


def finish(call: Call, imported: Imported, key: str) -> tuple[Id, ...]:
    """Remove the marks of the imported VMs and account for their disks. Returns those that are not snapshots."""
    with call.world.edit() as edit:
        for vm in imported.vms:
            edit.drop(vm, "current_operations", key)
        for disk in imported.disks:
            storage.measure(call, edit, disk.vdi)
    return tuple(vm for vm in imported.vms if not call.world[vm]["is_a_snapshot"])


def discard(call: Call, imported: Imported) -> None:
    """Undo an import that failed on its way; what somebody else removed in the meantime is gone already."""
    with call.world.edit() as edit:
        for vm in imported.vms:
            if edit.get(vm) is not None:
                edit.set(vm, current_operations={})
                drop_vm(edit, vm)
        for disk in imported.disks:
            if edit.get(disk.vdi) is not None:
                storage.drop_vdi(call, edit, disk.vdi)
        for network in imported.networks:
            if edit.get(network) is not None and not edit[network]["VIFs"]:
                edit.destroy(network)
