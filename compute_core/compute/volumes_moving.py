"""Volumes of a server that comes to this host or leaves it: connected here first, had here alone once it is here, let go where it is not.

The volume service is told of each host by an attachment of its own, so that both may reach the volume while the server is on its way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from compute_core.compute.volumes import PROBLEMS, completed_here, disks_here, forget_targets, service
from compute_core.compute.work import Host, Work
from compute_core.model.errors import ComputeError
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.volumes import BlockDevice
from compute_core.xenapi import volumes as recipe
from compute_core.xenapi.certainty import PATIENCE_S
from compute_core.xenapi.targets import sr_uuid
from compute_core.xenapi.volumes import Disk, Outfit

PeerRequest = Callable[[Work], Awaitable[Any]]

log = logging.getLogger(__name__)


async def reached(host: Host, instance: Instance) -> Mapping[str, str]:
    """Have the host reach the volumes of a server that is to come here, and keep their targets until then: the SRs, by their uuids."""
    disks = await disks_here(host, instance)
    host.targets.hold(instance.uuid, [disk.connection.target for disk in disks])
    return {sr_uuid(disk.connection.target): await _sr(host, disk) for disk in disks}


async def _sr(host: Host, disk: Disk) -> str:
    async with host.targets.turn(disk.connection.target):
        return (await host.targets.connected(host.xapi, disk.connection))[0]


async def joined(host: Host, instance: Instance, vm: str) -> tuple[BlockDevice, ...]:
    """Give the halted VM of a server that has come here its volumes; as the server has them now. Again is fine."""
    disks = await disks_here(host, instance)
    await Outfit(host.targets, disks).join(host.xapi, vm)
    host.targets.let_go(instance.uuid)
    return tuple(replace(disk.device, state="attached") for disk in disks)


async def had_here(host: Host, instance: Instance) -> tuple[BlockDevice, ...]:
    """The server is here for good: no other host has its volumes from now on. Again is fine."""
    devices = await completed_here(host, instance)
    host.targets.let_go(instance.uuid)
    return devices


async def let_go(host: Host, instance: Instance) -> None:
    """The server does not come here after all: as it has its volumes by ``instance``, it keeps them. Again is fine."""
    await recipe.forget(host.xapi, host.targets, host.targets.let_go(instance.uuid))
    if instance.block_devices:
        await forget_targets(host, instance)
    for device in instance.block_devices:
        await service(host).settle(device.volume_id, instance.uuid, device.attachment_id)


async def left_alone(host: Host, instance: Instance) -> None:
    """As ``let_go``; what cannot be done about it now is logged."""
    try:
        await let_go(host, instance)
    except PROBLEMS as problem:
        log.warning("%s has not let go of the volumes of %s: %s", host.settings.host, instance.uuid, problem)


async def taken_off(host: Host, instance: Instance, vm: str) -> None:
    """Take its volumes from the halted VM of a server that leaves; the service still lets this host reach them."""
    for device in instance.block_devices:
        await recipe.detach(host.xapi, host.targets, vm, device)


async def given_back(host: Host, instance: Instance, vm: str) -> Mapping[str, str]:
    """A VM that was to leave has its volumes again. Why not, by the ids of those that cannot be reached for a while. Again is fine."""
    lost: dict[str, str] = {}
    for device in instance.block_devices:
        try:
            await _patiently(lambda device=device: joined(host, replace(instance, block_devices=(device,)), vm))  # type: ignore[misc]
        except PROBLEMS as problem:
            log.warning("%s: %s has not got volume %s back: %s", host.settings.host, instance.uuid, device.volume_id, problem)
            lost[device.volume_id] = str(problem)
    return lost


async def _patiently(step: Callable[[], Awaitable[object]]) -> None:
    for pause_s in PATIENCE_S:
        try:
            await step()
        except PROBLEMS:
            await asyncio.sleep(pause_s)
        else:
            return
    await step()


async def back_here(host: Host, instance: Instance, lost: Mapping[str, str]) -> tuple[BlockDevice, ...]:
    """As ``had_here``, without those that are ``lost``: nobody has them any more."""
    for device in instance.block_devices:
        if device.volume_id in lost:
            await service(host).settle(device.volume_id, instance.uuid, device.attachment_id)
            await service(host).disconnect(device.attachment_id)
    kept = tuple(device for device in instance.block_devices if device.volume_id not in lost)
    return await had_here(host, replace(instance, block_devices=kept))


async def parked(host: Host, instance: Instance) -> tuple[BlockDevice, ...]:
    """The server is on no host for now, but the volumes are still its own."""
    ids = [await service(host).park(device.volume_id, instance.uuid) for device in instance.block_devices]
    return tuple(replace(device, attachment_id=made, target=None) for device, made in zip(instance.block_devices, ids, strict=True))


def changed(devices: tuple[BlockDevice, ...]) -> Mapping[str, Any]:
    """The change of an instance that has its volumes so; none for one that has none."""
    return {"block_devices": to_json(devices)} if devices else {}


async def left_there(work: Work, destination: str) -> None:
    """The server stays here: its volumes are let go there, as far as that can be heard."""
    if not work.instance.block_devices:
        return
    try:
        await work.host.peers.ask(destination, "forget_volumes", work.instance)
    except ComputeError as problem:
        log.warning("%s has not let go of the volumes of %s: %s", destination, work.instance.uuid, problem.message)


async def gone_there(work: Work, destination: str) -> Mapping[str, Any]:
    """The server is there: so are its volumes, and no more here. The change of the instance."""
    if not work.instance.block_devices:
        return {}
    try:
        await forget_targets(work.host, work.instance)
    except PROBLEMS as problem:  # they are looked for again
        log.warning("%s: the volumes of %s are not forgotten yet: %s", work.host.settings.host, work.instance.uuid, problem)
    try:
        told = await work.host.peers.ask(destination, "have_volumes", work.instance)
    except ComputeError as problem:
        log.warning("%s has not settled the volumes of %s: %s", destination, work.instance.uuid, problem.message)
        return {}
    return changed(from_json(told, tuple[BlockDevice, ...]))


async def _have(work: Work) -> Any:
    """The server is here."""
    return to_json(await had_here(work.host, work.instance))


async def _forget(work: Work) -> None:
    """The server is not coming."""
    await let_go(work.host, work.instance)


VOLUME_REQUESTS: Mapping[str, PeerRequest] = {
    "have_volumes": _have,
    "forget_volumes": _forget,
}
"""What another host's agent may ask about the volumes of a server that was to come here."""
