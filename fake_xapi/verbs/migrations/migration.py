"""VM.migrate_send: a VM moves to another host with its storage, within its pool or to another one, and keeps running.

Until the last step it loses nothing at its source: if anything fails on the way, what was made elsewhere is destroyed again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest.life import begin_life, end_life
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb, Wire
from fake_xapi.verbs.disks import chains, storage
from fake_xapi.verbs.migrations.migration_arrival import announce, arrive, domain_of, host_name, sent
from fake_xapi.verbs.migrations.migration_checks import NO_COPY, assert_can_go
from fake_xapi.verbs.migrations.migration_disks import Here, Move, There, copy_disks, planned
from fake_xapi.verbs.migrations.migration_journey import Journey, inferred_vifs, journey_of, kept_disks
from fake_xapi.verbs.migrations.migration_metadata import send_messages, send_metadata
from fake_xapi.verbs.vms.vm_life import drop_vm

MOST_AT_ONCE = 3
MEMORY_PATH = "/services/xenops/memory"
_NAMES = frozenset(f"{prefix}{name}" for prefix in ("", "Async.") for name in ("VM.migrate_send", "VM_migrate_send", "VDI.pool_migrate"))


async def migrate_send(
    call: Call, vm: Id, dest: dict[str, str], live: bool, vdi_map: dict[Id, Id], vif_map: dict[Id, Id], *rest: Any
) -> Id | Wire:
    """Migrate a VM with its storage; returns its ref afterwards. Failures as for ``assert_can_go``; TOO_MANY_STORAGE_MIGRATES ["3"]."""
    options, formats = rest[0], rest[2] if len(rest) > 2 else {}
    journey = journey_of(call, vm, dest, (vdi_map, vif_map, formats), options)
    await assert_can_go(journey)
    assert_not_too_many(journey)
    return await migrate(journey)


async def assert_can_migrate(
    call: Call, vm: Id, dest: dict[str, str], live: bool, vdi_map: dict[Id, Id], vif_map: dict[Id, Id], *rest: Any
) -> None:
    """Raise the reason why a VM could not migrate there."""
    options, formats = rest[0], rest[2] if len(rest) > 2 else {}
    await assert_can_go(journey_of(call, vm, dest, (vdi_map, vif_map, formats), options))


async def assert_can_migrate_sender(
    call: Call, vm: Id, dest: dict[str, str], live: bool, vdi_map: dict[Id, Id], vif_map: dict[Id, Id], *rest: Any
) -> None:
    """Raise what only the sender can check of a running VM: VGPU_DESTINATION_INCOMPATIBLE [reason, vgpu, host] for an unmapped card."""
    vgpu_map, options = rest
    journey = journey_of(call, vm, dest, (vdi_map, vif_map, {}), options)
    if journey.row["power_state"] == "Halted" or journey.is_within_pool:
        return
    for vgpu in journey.row["VGPUs"]:
        if vgpu not in vgpu_map:
            raise Failure("VGPU_DESTINATION_INCOMPATIBLE", "No compatible pGPU", Handle(vgpu), journey.to.host)


def assert_not_too_many(journey: Journey) -> None:
    """Refuse the fourth concurrent migration of a host; one that still waits for a busy VM is not counted."""
    world = journey.world
    begun = {world.ref(task) for task, row in world.rows("task") if row["status"] == "pending" and row["name_label"] in _NAMES}
    if len(begun) <= MOST_AT_ONCE:
        return
    rows = (row for _, row in world.rows("VM") if "migrate_send" in row["current_operations"].values())
    sending = [row for row in rows if (row["resident_on"] or world[POOL]["master"]) == journey.source]
    if len(sending) > MOST_AT_ONCE:
        raise Failure("TOO_MANY_STORAGE_MIGRATES", str(MOST_AT_ONCE))


async def migrate(journey: Journey) -> Id | Wire:
    """Migrate a VM after all checks. Returns its id, or its ref in its new pool."""
    if journey.is_copy and journey.is_within_pool:
        raise Failure("OPERATION_NOT_ALLOWED", NO_COPY)
    await journey.call.takes("VM.migrate.prepare", share=(0.0, 0.0))
    moves = await planned(journey)
    _eject_media(journey)
    async with AsyncExitStack() as marks:
        if journey.is_within_pool:
            await marks.enter_async_context(journey.call.operating((journey.host, "vm_migrate")))
            place = Here(journey)
            try:
                await copy_disks(journey, moves, place, marks)
                await _move_within_pool(journey, place)
            except BaseException:
                await place.discard()
                raise
            return journey.vm if journey.world.personality.era == "modern" else Wire("")
        return await _to_another_pool(journey, moves, marks)


def _eject_media(journey: Journey) -> None:
    """Eject discs that the target pool lacks, unless the guest is suspended with them."""
    row = journey.row
    if journey.is_within_pool or row["power_state"] == "Suspended":
        return
    with journey.world.edit() as edit:
        for vbd in row["VBDs"]:
            if edit[vbd]["type"] == "CD" and not edit[vbd]["empty"]:
                edit.set(vbd, VDI=0, empty=True)


# ---- within a pool ---------------------------------------------------------------------------------------------------------------


async def _move_within_pool(journey: Journey, place: Here) -> None:
    call, vm, host, source = journey.call, journey.vm, journey.host, journey.row["resident_on"]
    await copy_memory(call, vm, host)
    domain = domain_of(call, vm)
    srs = {call.world[old]["SR"] for old in place.made}
    with call.world.edit() as edit:
        _repoint_disks(journey, edit, place)
        if domain is not None:
            end_life(call, vm)
            domid = arrive(call, edit, vm, host, domain)
            begin_life(call, vm, domid)
            announce(call, vm, f"migrated from host: {host_name(call, source)} to host: {host_name(call, host)}")
    _collect(journey, srs)


def _repoint_disks(journey: Journey, edit: Edit, place: Here) -> None:
    """Point the devices of the VM and its snapshots to the new disks, and remove the old ones."""
    world = journey.world
    new = {old: world.find_ref(ref) for old, ref in place.made.items()}
    for old, vdi in new.items():
        row = edit[old]
        edit.set(vdi, is_a_snapshot=row["is_a_snapshot"], snapshot_time=row["snapshot_time"])
        edit.set(vdi, snapshot_of=new.get(row["snapshot_of"], row["snapshot_of"]))
        for vbd in row["VBDs"]:
            edit.set(vbd, VDI=vdi)
        for snapshot in row["snapshots"]:
            edit.set(snapshot, snapshot_of=vdi)
    for vm in journey.vms:
        if edit[vm]["suspend_VDI"] in new:
            edit.set(vm, suspend_VDI=new[edit[vm]["suspend_VDI"]])
    for old in new:
        storage.drop_vdi(journey.call, edit, old)


async def copy_memory(call: Call, vm: Id, host: Id, *, begin: float = 0.8) -> None:
    """Copy a VM's memory, with its room on the host reserved, and switch over; takes as long as that takes."""
    if domain_of(call, vm) is None:
        return
    with call.world.edit() as edit:
        edit.set(vm, scheduled_to_be_resident_on=host)
    try:
        await call.takes("VM.migrate.copy", bytes_moved=call.world[vm]["memory_target"], share=(begin, 0.95))
        await call.takes("VM.migrate.switch", share=(0.95, 1.0))
    finally:
        if call.world.get(vm) is not None:
            with call.world.edit() as edit:
                edit.set(vm, scheduled_to_be_resident_on=0)


# ---- to another pool -------------------------------------------------------------------------------------------------------------


async def _to_another_pool(journey: Journey, moves: tuple[Move, ...], marks: AsyncExitStack) -> Wire:
    is_modern = journey.world.personality.era == "modern"
    vifs = inferred_vifs(journey) if is_modern else dict(journey.vif_map)
    place, made = There(journey), ""
    kept = await kept_disks(journey)
    try:
        await copy_disks(journey, moves, place, marks)
        await journey.call.takes("VM.migrate.metadata", share=(0.8, 0.8))
        refs = await send_metadata(journey, {**place.made, **kept}, vifs, is_dry_run=False)
        made = refs[0]
        await _send_domain(journey, made)
        await journey.call.takes("VM.migrate.finish", share=(1.0, 1.0))
        await journey.there("VM.pool_migrate_complete", made, journey.to.host)
    except BaseException:
        await _withdraw(journey, made, place)
        raise
    if not journey.is_copy:
        _leave(journey, [move.vdi for move in moves], await send_messages(journey))
    return Wire(made if is_modern else "")


async def _send_domain(journey: Journey, made: str) -> None:
    """Copy the memory; a VM that stops on the way has none, and stays stopped."""
    call = journey.call
    if domain_of(call, journey.vm) is None:
        return
    await call.takes("VM.migrate.copy", bytes_moved=journey.row["memory_target"], share=(0.8, 0.95))
    await call.takes("VM.migrate.switch", share=(0.95, 1.0))
    domain = domain_of(call, journey.vm)
    if domain is None:
        return
    content = json.dumps(sent(domain)).encode()
    parameters = {"session_id": journey.to.session, "ref": made, "host": journey.to.host}
    if not await journey.remote.put(MEMORY_PATH, parameters, _once(content), len(content)):
        raise Failure("VM_MIGRATE_FAILED", *_names(journey), "the other host did not take the memory")


def _names(journey: Journey) -> tuple[str, str, str]:
    return (journey.world.ref(journey.vm), journey.world.ref(journey.source), journey.to.host)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _withdraw(journey: Journey, made: str, place: There) -> None:
    """Destroy what was made in the other pool, as far as that can be reached."""
    if made:
        for vm in (*await _quietly(journey, "VM.get_snapshots", made, otherwise=[]), made):
            await _quietly(journey, "VM.hard_shutdown", vm)
            await _quietly(journey, "VM.destroy", vm)
    await place.discard()


async def _quietly(journey: Journey, method: str, *params: Any, otherwise: Any = None) -> Any:
    try:
        return await journey.there(method, *params)
    except Failure:
        return otherwise


def _leave(journey: Journey, moved: list[Id], messages: list[Id]) -> None:
    """Remove the VM and its messages here: it is there now."""
    call = journey.call
    srs = {journey.world[vdi]["SR"] for vdi in moved}
    end_life(call, journey.vm)
    with call.world.edit() as edit:
        for message in messages:
            edit.destroy(message)
        for vm in journey.vms:
            drop_vm(edit, vm)
        for vdi in moved:
            if edit.get(vdi) is not None:
                storage.drop_vdi(call, edit, vdi)
    _collect(journey, srs)


def _collect(journey: Journey, srs: set[Id]) -> None:
    """Let the garbage collectors look after the chains that lost disks."""
    for sr in sorted(srs):
        chains.collect_later(journey.call, sr, journey.vm)


VERBS: Mapping[str, Verb] = {
    "VM.migrate_send": migrate_send,
    "VM.assert_can_migrate": assert_can_migrate,
    "VM.assert_can_migrate_sender": assert_can_migrate_sender,
}
