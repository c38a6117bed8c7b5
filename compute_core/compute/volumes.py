"""Operations on servers' volumes, and what of volumes belongs to other operations: the build, the start, the removal."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from compute_core.compute.work import Ending, Host, LeftAs, Operation, Work
from compute_core.model.errors import ComputeError, Conflict, NotFound
from compute_core.model.instances import PAUSED, RUNNING, Instance
from compute_core.model.json import to_json
from compute_core.model.volumes import BlockDevice, Connection, DeviceState, Target
from compute_core.volumes.port import Attachments, Connector
from compute_core.xenapi import volumes as recipe
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.volumes import Disk, Outfit

log = logging.getLogger(__name__)

GIB = 1 << 30
PLUGGED = frozenset({RUNNING, PAUSED})
"""The power states in which a VM's disks are plugged at once."""
PROBLEMS = (XenApiFailure, Unanswered, TransferFailed, ComputeError)
BROKEN_OFF = "it was broken off when the agent of {host} ended"


def service(host: Host) -> Attachments:
    """The volume service. Conflict: this installation has none."""
    if host.volumes is None:
        raise Conflict(f"{host.settings.host} knows no volume service.")
    return host.volumes


def connector(host: Host) -> Connector:
    """The host, as the volume service is told of it."""
    return Connector(host.settings.host, host.place.address, host.place.initiator)


def of_state(instance: Instance, state: DeviceState) -> BlockDevice:
    """The volume that is on its way in or out: one at a time is. NotFound."""
    for device in instance.block_devices:
        if device.state == state:
            return device
    raise NotFound(f"No volume of instance {instance.uuid} is {state}.")


def without(instance: Instance, *gone: BlockDevice) -> Mapping[str, Any]:
    """The change of an instance that loses volumes."""
    ids = {device.volume_id for device in gone}
    return {"block_devices": to_json([device for device in instance.block_devices if device.volume_id not in ids])}


def having(instance: Instance, changed: BlockDevice) -> Mapping[str, Any]:
    """The change of an instance of which a volume is another way now."""
    devices = [changed if device.volume_id == changed.volume_id else device for device in instance.block_devices]
    return {"block_devices": to_json(devices)}


async def _attach(work: Work) -> Ending:
    """The volume that is ``attaching``. Again is fine. What fails leaves the server without it."""
    instance, device = work.instance, of_state(work.instance, "attaching")
    try:
        done = await _attached(work, device)
    except PROBLEMS as problem:
        raise LeftAs(str(problem), without(instance, device)) from problem
    return Ending(work.host.vm(instance.uuid).power_state, having(instance, done))


async def _attached(work: Work, device: BlockDevice) -> BlockDevice:
    host, volumes = work.host, service(work.host)
    async with Undo(f"attach volume {device.volume_id} to {work.instance.domain_name}") as undo:
        undo.add("disconnect it", lambda: volumes.disconnect(device.attachment_id))
        connection = await connection_of(host, device)
        plugs = work.instance.power_state in PLUGGED
        await recipe.attach(host.xapi, host.targets, work.vm, Disk(device, connection), plugs=plugs)
        attached = replace(device, target=connection.target)
        undo.add("take it away", lambda: recipe.detach(host.xapi, host.targets, work.vm, attached))
        await volumes.complete(device.attachment_id)
    return replace(device, state="attached", target=connection.target)


async def _give_up_attaching(work: Work) -> Ending:
    """Nobody knows how far it has come: it is taken back."""
    host, device = work.host, of_state(work.instance, "attaching")
    with suppress(NotFound, Conflict):
        target = (await connection_of(host, device)).target
        await recipe.detach(host.xapi, host.targets, work.vm, replace(device, target=target))
    await service(host).disconnect(device.attachment_id)
    raise LeftAs(BROKEN_OFF.format(host=host.settings.host), without(work.instance, device))


async def _detach(work: Work) -> Ending:
    """The volume that is ``detaching``. Again is fine. What fails leaves it where it is."""
    host, instance, device = work.host, work.instance, of_state(work.instance, "detaching")
    try:
        await recipe.detach(host.xapi, host.targets, work.vm, device)
        await service(host).disconnect(device.attachment_id)
    except PROBLEMS as problem:
        await _keep(work, device)
        raise LeftAs(str(problem), having(instance, replace(device, state="attached"))) from problem
    return Ending(host.vm(instance.uuid).power_state, without(instance, device))


async def _keep(work: Work, device: BlockDevice) -> None:
    """Put back what of a detachment has been done."""
    host = work.host
    with suppress(*PROBLEMS):
        disk = Disk(device, await connection_of(host, device))
        await recipe.attach(host.xapi, host.targets, work.vm, disk, plugs=work.instance.power_state in PLUGGED)
    with suppress(NotFound):
        await service(host).roll_detaching(device.volume_id)


async def volume_extended(work: Work) -> None:
    """The volume ``tag`` has another size: the host looks at it."""
    host = work.host
    for device in work.instance.block_devices:
        if device.volume_id == work.arguments["tag"] and device.target is not None:
            volume = await service(host).get(device.volume_id)
            await recipe.see_size(host.xapi, device.target, volume.size_gb * GIB)


async def outfit(host: Host, instance: Instance) -> Outfit:
    """The volumes of a server that is to be built here, each with the way to it."""
    return Outfit(host.targets, await disks_here(host, instance))


async def disks_here(host: Host, instance: Instance) -> tuple[Disk, ...]:
    """The volumes of a server that is here, or comes, each as it has it on this host. Again is fine: the same ones."""
    return tuple([await _disk_here(host, instance.uuid, each) for each in instance.block_devices])


async def _disk_here(host: Host, uuid: str, device: BlockDevice) -> Disk:
    made, connection = await service(host).arrive(device.volume_id, uuid, connector(host), device.device)
    return Disk(replace(device, attachment_id=made, target=connection.target), connection)


async def built_with(host: Host, instance: Instance) -> Mapping[str, Any]:
    """The change of a server that has been built: its volumes are attached. Again is fine."""
    return {"block_devices": to_json(await completed_here(host, instance))} if instance.block_devices else {}


async def completed_here(host: Host, instance: Instance) -> tuple[BlockDevice, ...]:
    """The server has its volumes, as the service hears: on this host, and on no other. Again is fine."""
    done = tuple(replace(each.device, state="attached") for each in await disks_here(host, instance))
    for device in done:
        await service(host).complete(device.attachment_id)
        await service(host).settle(device.volume_id, instance.uuid, device.attachment_id)
    return done


async def connection_of(host: Host, device: BlockDevice) -> Connection:
    """The way to a volume by its attachment."""
    return await service(host).connect(device.attachment_id, connector(host), device.device)


async def forget_targets(host: Host, instance: Instance) -> None:
    """The server's VM is gone from here: so are the targets of which nobody else has a disk."""
    host.targets.let_go(instance.uuid)
    await recipe.forget(host.xapi, host.targets, [target for device in instance.block_devices for target in await _where(host, device)])


async def _where(host: Host, device: BlockDevice) -> Sequence[Target]:
    """The target of a volume; one that never came to be attached knows it not, but the service does, while it is reserved."""
    if device.target is not None:
        return (device.target,)
    with suppress(NotFound, Conflict):
        return ((await connection_of(host, device)).target,)
    return ()


def without_bad_volumes(operation: Operation) -> Operation:
    """The operation starts a VM: where its array no longer gives a volume, that is taken away, and the VM started without."""

    async def guarded(work: Work) -> Ending:
        try:
            return await operation(work)
        except XenApiFailure as failure:
            if failure.code not in recipe.BAD_VOLUME or not work.instance.block_devices:
                raise
            bad = await recipe.bad_volumes(work.host.xapi, work.vm, work.instance.block_devices)
            if not bad:
                raise
        await _drop(work, bad)
        ending = await operation(work)
        words = f"started without volume {', '.join(device.volume_id for device in bad)}, which the array does not give"
        return replace(ending, changes={**ending.changes, **without(work.instance, *bad)}, note=words)

    return guarded


async def _drop(work: Work, bad: Sequence[BlockDevice]) -> None:
    for device in bad:
        log.warning("%s: volume %s of %s is bad", work.host.settings.host, device.volume_id, work.instance.uuid)
        await recipe.detach(work.host.xapi, work.host.targets, work.vm, device)
        await service(work.host).disconnect(device.attachment_id)


VOLUMES: Mapping[str, Operation] = {
    "attach_volume": _attach,
    "detach_volume": _detach,
}

VOLUMES_RESUMES: Mapping[str, Operation] = {
    "attach_volume": _give_up_attaching,
    "detach_volume": _detach,
}
