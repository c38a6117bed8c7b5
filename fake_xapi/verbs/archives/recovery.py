"""Recovery of VMs from a copy of their pool's database, and import of VMs from a URL.

A VM can be recovered where the SRs of its disks are: SRs with the same uuids, connected to some host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.vdi import any_plugged_pbd
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.archives import archive_import
from fake_xapi.verbs.archives.archive_export import Scope, export
from fake_xapi.verbs.archives.archive_importing import Plan
from fake_xapi.verbs.archives.vm_import import import_vms
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts.host_plugins import run_plugin
from fake_xapi.verbs.vms import placement


def required_srs(world: World, vms: Iterable[Id]) -> list[Id]:
    """The SRs of the disks of VMs and of their snapshots; media do not count."""
    everything = [one for vm in vms for one in (vm, *world[vm]["snapshots"])]
    found = (sr for vm in everything for sr in placement.storage_of(world, world[vm]))
    return [sr for sr in dict.fromkeys(found) if world[sr]["content_type"] != "iso"]


def missing_srs(source: World, target: World, vms: Iterable[Id]) -> list[Id]:
    """The SRs among them that are not connected where the VMs are to be recovered."""
    return [sr for sr in required_srs(source, vms) if not _is_there(target, source.uuid(sr))]


def _is_there(target: World, uuid: str) -> bool:
    sr = target.by_uuid("SR", uuid)
    return bool(sr) and any_plugged_pbd(target, target[sr])


def vm_srs(call: Call, vm: Id, session_to: Id) -> list[Id]:
    """The SRs that must be introduced before a VM can be recovered."""
    return missing_srs(call.world, call.world, [vm])


def assert_vm_recoverable(call: Call, vm: Id, session_to: Id) -> None:
    """Raise VM_IS_PART_OF_AN_APPLIANCE [vm, appliance] for one that must be recovered with others, VM_REQUIRES_SR [vm, sr]."""
    appliance: Id = call.world[vm]["appliance"]
    if appliance:
        raise Failure("VM_IS_PART_OF_AN_APPLIANCE", Handle(vm), Handle(appliance))
    _assert_srs(call, [vm])


def _assert_srs(call: Call, vms: Iterable[Id]) -> None:
    for vm in vms:
        for sr in missing_srs(call.world, call.world, [vm]):
            raise Failure("VM_REQUIRES_SR", Handle(vm), Handle(sr))


async def recover_vm(call: Call, vm: Id, session_to: Id, force: bool) -> None:
    """Recreate a VM as the database describes it. Failures as for ``assert_vm_recoverable``, and those of a restoring import."""
    assert_vm_recoverable(call, vm, session_to)
    await _recover(call, [vm], is_forced=force)


async def _recover(call: Call, vms: list[Id], *, is_forced: bool) -> list[Id]:
    """Import the VMs from the database with their uuids; with their snapshots, which follow as VMs of their own."""
    archive = export(call, vms, Scope(has_snapshots=True, preserves_power_state=False)).archive
    await call.takes("VM.import_metadata")
    plan = Plan(restores=True, is_forced=is_forced, key=_mark(call))
    imported = archive_import.take_in(call, archive, plan)
    return list(archive_import.finish(call, imported, plan.key))


def _mark(call: Call) -> str:
    """The task that marks the VMs; a synchronous call has none, and nobody sees what it has begun."""
    return call.world.ref(call.task) if call.task else ""


def appliance_srs(call: Call, appliance: Id, session_to: Id) -> list[Id]:
    """The SRs that must be introduced before the VMs of an appliance can be recovered."""
    return missing_srs(call.world, call.world, call.world[appliance]["VMs"])


def assert_appliance_recoverable(call: Call, appliance: Id, session_to: Id) -> None:
    """Raise VM_REQUIRES_SR [vm, sr]."""
    _assert_srs(call, call.world[appliance]["VMs"])


async def recover_appliance(call: Call, appliance: Id, session_to: Id, force: bool) -> None:
    """Recover all VMs of an appliance, and reassign them to it."""
    assert_appliance_recoverable(call, appliance, session_to)
    recovered = await _recover(call, list(call.world[appliance]["VMs"]), is_forced=force)
    with call.world.edit() as edit:
        for vm in recovered:
            edit.set(vm, appliance=appliance)


async def import_from(call: Call, url: str, sr: Id, full_restore: bool, force: bool) -> list[Id]:
    """Import the VMs of an archive behind a URL. Failures CANNOT_CONTACT_HOST, INVALID_VALUE ["url", url], and those of ``/import``."""
    if call.world[sr]["content_type"] == "iso":
        raise Failure("SR_OPERATION_NOT_SUPPORTED", Handle(sr))
    plan = replace(Plan(restores=full_restore, is_forced=force), sr=sr, key=_mark(call))
    return list(await import_vms(call, call.fetch(url), plan))


async def import_convert(call: Call, kind: str, username: str, password: str, sr: Id, remote_config: dict[str, str]) -> None:
    """Import VMs from another vendor's hypervisor by an appliance, of which only a plugin knows: a host without both has none.

    XENAPI_MISSING_PLUGIN ["conversion"] there. Where users brought the plugin, NOT_IMPLEMENTED: nobody speaks to the appliance it names.
    """
    await run_plugin(call, call.host, "conversion", "main", {})
    raise Failure("NOT_IMPLEMENTED", call.message.wire_name)


def update_snapshot_metadata(call: Call, vm: Id, snapshot_of: Id, snapshot_time: str, transportable_snapshot_id: str) -> None:
    """Set by hand the metadata of snapshots that a storage array made."""
    with call.world.edit() as edit:
        edit.set(
            vm,
            is_a_snapshot=True,
            snapshot_of=snapshot_of,
            snapshot_time=snapshot_time,
            transportable_snapshot_id=transportable_snapshot_id,
        )
        for vbd in edit[vm]["VBDs"]:
            if edit[vbd]["VDI"]:
                edit.set(edit[vbd]["VDI"])  # what may be done to a disk depends on whose it is


VERBS: Mapping[str, Verb] = {
    "VM.get_SRs_required_for_recovery": vm_srs,
    "VM.assert_can_be_recovered": assert_vm_recoverable,
    "VM.recover": recover_vm,
    "VM_appliance.get_SRs_required_for_recovery": appliance_srs,
    "VM_appliance.assert_can_be_recovered": assert_appliance_recoverable,
    "VM_appliance.recover": recover_appliance,
    "VM.import": import_from,
    "VM.import_convert": import_convert,
    "VM.update_snapshot_metadata": update_snapshot_metadata,
}
