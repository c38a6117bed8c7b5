"""Servers' volumes at the top: reserved and given back here; everything else is done by the servers' hosts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from compute_core.cells.disk_names import free_device
from compute_core.cells.parts import parts
from compute_core.cells.servers import CellServers
from compute_core.model.errors import ComputeError, Conflict, Forbidden, Invalid, NotFound
from compute_core.model.instances import Instance
from compute_core.model.requests import RequestContext
from compute_core.model.transitions import begin
from compute_core.model.volumes import BlockDevice, Volume
from compute_core.volumes.port import Attachments


class ServerVolumes:
    """See the port for each. Without a volume service there are no volumes."""

    def __init__(self, servers: CellServers, volumes: Attachments | None) -> None:
        self._servers = servers
        self._volumes = volumes

    async def attach_volume(
        self, context: RequestContext, uuid: str, volume_id: str, *, device: str | None, tag: str | None, deletes_volume: bool
    ) -> BlockDevice:
        """See the port."""
        volumes, instance = self._service(volume_id), await self._servers.unlocked(context, uuid)
        begin(instance, "attach_volume")
        await self._visible(context, volume_id)
        if any(known.volume_id == volume_id for known in instance.block_devices):
            raise Invalid(f"Invalid volume: volume {volume_id} already attached to instance {uuid}")
        name = free_device(instance, device)
        try:
            attachment = await volumes.reserve(volume_id, uuid)
        except Conflict as taken:
            raise Invalid(taken.message) from taken
        made = BlockDevice(volume_id, attachment.id, name, deletes_volume=deletes_volume, tag=tag, state="attaching")
        try:
            await self._begin(context, instance, "attach_volume", added=[made])
        except ComputeError:
            await volumes.disconnect(attachment.id)
            raise
        return made

    async def detach_volume(self, context: RequestContext, uuid: str, volume_id: str) -> None:
        """See the port."""
        volumes, instance = self._service(volume_id), await self._servers.unlocked(context, uuid)
        begin(instance, "detach_volume")
        device = attached(instance, volume_id)
        if device.boot_index == 0:
            raise Forbidden("Cannot detach a root device volume")
        try:
            await volumes.begin_detaching(volume_id)
        except Conflict as taken:
            raise Invalid(taken.message) from taken
        try:
            await self._begin(context, instance, "detach_volume", going=device)
        except ComputeError:
            await volumes.roll_detaching(volume_id)
            raise

    async def swap_volume(self, context: RequestContext, uuid: str, volume_id: str, new_id: str) -> None:
        """See the port."""
        volumes, instance = self._service(volume_id), await self._servers.unlocked(context, uuid)
        begin(instance, "swap_volume")
        device, new = attached(instance, volume_id), await self._successor(context, instance, volume_id, new_id)
        try:
            attachment = await volumes.reserve(new.id, uuid)
            await self._on_its_way(volume_id, attachment.id)
        except Conflict as taken:
            raise Invalid(taken.message) from taken
        coming = replace(device, volume_id=new.id, attachment_id=attachment.id, state="replacing", target=None)
        try:
            await self._begin(context, instance, "swap_volume", added=[coming], going=device)
        except ComputeError:
            await volumes.disconnect(attachment.id)
            await volumes.not_swapped(volume_id, new.id)
            raise

    async def _successor(self, context: RequestContext, instance: Instance, volume_id: str, new_id: str) -> Volume:
        """A volume that may take another's place. NotFound, Invalid."""
        old, new = await self._service(volume_id).get(volume_id), await self._visible(context, new_id)
        if new.id in {device.volume_id for device in instance.block_devices}:
            raise Invalid(f"Invalid volume: volume {new.id} already attached to instance {instance.uuid}")
        if len(old.attachments) > 1:
            raise Invalid(f"Volume {volume_id} is several servers': none of them can get another one in its place.")
        if new.size_gb < old.size_gb:
            raise Invalid("Invalid volume: New volume must be the same size or larger.")
        return new

    async def _on_its_way(self, volume_id: str, attachment_id: str) -> None:
        """The old one is on its way out; where it is not, the new one is given back."""
        try:
            await self._service(volume_id).begin_detaching(volume_id)
        except ComputeError:
            await self._service(volume_id).disconnect(attachment_id)
            raise

    async def keep_volume(self, context: RequestContext, uuid: str, volume_id: str, *, deletes_volume: bool) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        attached(instance, volume_id)
        kept = parts("block_devices", changed={volume_id: {"deletes_volume": deletes_volume}})
        await self._servers.ask_cell(context, uuid, "change_parts", {"parts": kept})

    async def _begin(
        self,
        context: RequestContext,
        instance: Instance,
        action: str,
        *,
        added: Sequence[BlockDevice] = (),
        going: BlockDevice | None = None,
    ) -> None:
        changed = {} if going is None else {going.volume_id: {"state": "detaching"}}
        told = parts("block_devices", added=added, changed=changed)
        await self._servers.begin_with_parts(context, instance.uuid, action, told)

    async def _visible(self, context: RequestContext, volume_id: str) -> Volume:
        with suppress(NotFound):
            volume = await self._service(volume_id).get(volume_id)
            if context.is_admin or volume.project_id == context.project_id:
                return volume
        raise NotFound.of("Volume", volume_id)

    def _service(self, volume_id: str) -> Attachments:
        if self._volumes is None:
            raise NotFound.of("Volume", volume_id)
        return self._volumes


def attached(instance: Instance, volume_id: str) -> BlockDevice:
    """A volume that a server has. NotFound."""
    for device in instance.block_devices:
        if device.volume_id == volume_id and device.state not in {"attaching", "replacing"}:
            return device
    raise NotFound(f"Instance {instance.uuid} is not attached to volume {volume_id}")
