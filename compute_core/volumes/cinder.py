"""A real Cinder behind the port of volumes, by its attachments: one for each host that reaches a volume for a server.

Which volumes there are is Cinder's affair: its own API makes, extends and deletes them, and has their snapshots.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.volumes import Attachment, Connection, Snapshot, Volume
from compute_core.volumes.cinder_views import attachment_of, connection_of, connector_of, is_connected, snapshot_of, volume_of
from compute_core.volumes.port import Connector

log = logging.getLogger(__name__)

POLL_S = (0.2, 0.5, 1.0, 2.0)
"""Pauses between looks at a volume that Cinder is at work on; the last one repeats."""
PATIENCE_S = 600.0
MISSING = "volumes are made by Cinder, which knows whose they are. Cure: have it make the volume, and name that."


class Wire(Protocol):
    """The way to Cinder."""

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, None for an empty one. NotFound, Conflict in Cinder's words; HostUnreachable."""


class CinderVolumes:
    """The volumes of one Cinder."""

    __slots__ = ("_wire", "copies_what_is_held")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.copies_what_is_held = True

    async def list(self, project_id: str | None = None) -> tuple[Volume, ...]:
        """See the port."""
        found = await self._wire.call("GET", "/volumes/detail?all_tenants=1&sort=created_at:desc")
        volumes = [volume_of(each) for each in found["volumes"]]
        return tuple(volume for volume in volumes if project_id in (None, volume.project_id))

    async def get(self, volume_id: str) -> Volume:
        """See the port."""
        found = await self._wire.call("GET", f"/volumes/{volume_id}")
        return volume_of(found["volume"])

    async def create(self, *_asked: Any, **_fields: Any) -> Volume:
        """Invalid: whoever asks the core is nobody to Cinder."""
        raise Invalid(f"Block Device Mapping is Invalid: {MISSING}")

    async def update(self, volume_id: str, changes: Mapping[str, Any]) -> Volume:
        """See the port."""
        if "is_bootable" in changes:
            await self._act(volume_id, "os-set_bootable", {"bootable": changes["is_bootable"]})
        told = {name: value for name, value in changes.items() if name != "is_bootable"}
        if told:
            await self._wire.call("PUT", f"/volumes/{volume_id}", {"volume": told})
        return await self.get(volume_id)

    async def extend(self, volume_id: str, size_gb: int) -> Volume:
        """See the port."""
        await self._act(volume_id, "os-extend", {"new_size": size_gb})
        return await self.get(volume_id)

    async def delete(self, volume_id: str) -> None:
        """See the port."""
        await self._wire.call("DELETE", f"/volumes/{volume_id}")

    async def reserve(self, volume_id: str, instance_uuid: str) -> Attachment:
        """See the port."""
        return attachment_of(await self._new(volume_id, instance_uuid))

    async def connect(self, attachment_id: str, connector: Connector, device: str) -> Connection:
        """See the port."""
        found = (await self._wire.call("GET", f"/attachments/{attachment_id}"))["attachment"]
        if not is_connected(found):
            found = await self._told(attachment_id, connector_of(connector, device))
        volume = await self.get(found["volume_id"])
        return connection_of(found["connection_info"], is_shared=volume.is_multiattach)

    async def arrive(self, volume_id: str, instance_uuid: str, connector: Connector, device: str) -> tuple[str, Connection]:
        """See the port. Cinder tells the host of an attachment only when that is complete: what is not has never been any host's."""
        own, volume = await self._own(volume_id, instance_uuid), await self.get(volume_id)
        if not own:
            raise Conflict(f"Volume {volume_id} is not server {instance_uuid}'s.")
        hosts = {each.id: each.host for each in volume.attachments}
        here = next((each["id"] for each in own if hosts.get(each["id"]) == connector.host), None)
        if here is not None:
            return here, await self.connect(here, connector, device)
        loose = [each["id"] for each in own if each["id"] not in hosts]
        is_elsewhere = len(loose) < len(own)
        await self._drop(loose if is_elsewhere else loose[1:])
        asked = connector_of(connector, device)
        found = await (self._beside(volume_id, instance_uuid, asked) if is_elsewhere else self._told(loose[0], asked))
        return str(found["id"]), connection_of(found["connection_info"], is_shared=volume.is_multiattach)

    async def _beside(self, volume_id: str, instance_uuid: str, connector: Mapping[str, Any]) -> Mapping[str, Any]:
        """A further host of the same server: Cinder takes it for one that moves if it is told of it from the beginning."""
        made = await self._new(volume_id, instance_uuid, connector=connector)
        await self.complete(made["id"])
        return made

    async def _told(self, attachment_id: str, connector: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._wire.call("PUT", f"/attachments/{attachment_id}", {"attachment": {"connector": connector}})
        found: Mapping[str, Any] = answer["attachment"]
        return found

    async def settle(self, volume_id: str, instance_uuid: str, attachment_id: str) -> None:
        """See the port."""
        ids = [each["id"] for each in await self._own(volume_id, instance_uuid)]
        if attachment_id in ids:
            await self._drop(each for each in ids if each != attachment_id)

    async def park(self, volume_id: str, instance_uuid: str) -> str:
        """See the port. The new one comes first, so that nobody else gets the volume in between."""
        own = await self._own(volume_id, instance_uuid)
        if not own:
            raise Conflict(f"Volume {volume_id} is not server {instance_uuid}'s.")
        parked = next((each["id"] for each in own if each["status"] == "reserved"), None)
        kept = str(parked or (await self._new(volume_id, instance_uuid))["id"])
        await self._drop(each["id"] for each in own if each["id"] != kept)
        return kept

    async def complete(self, attachment_id: str) -> None:
        """See the port."""
        await self._wire.call("POST", f"/attachments/{attachment_id}/action", {"os-complete": None})

    async def begin_detaching(self, volume_id: str) -> None:
        """See the port."""
        await self._act(volume_id, "os-begin_detaching")

    async def roll_detaching(self, volume_id: str) -> None:
        """See the port."""
        await self._act(volume_id, "os-roll_detaching")

    async def swapped(self, volume_id: str, new_id: str) -> str:
        """See the port. Where Cinder itself moves a volume it gives the new one the old one's id."""
        told = await self._act(volume_id, "os-migrate_volume_completion", {"new_volume": new_id, "error": False})
        return str(told["save_volume_id"])

    async def not_swapped(self, volume_id: str, new_id: str) -> None:
        """See the port."""
        await self.roll_detaching(volume_id)
        with suppress(Conflict):  # it has not asked for it
            await self._act(volume_id, "os-migrate_volume_completion", {"new_volume": new_id, "error": True})

    async def disconnect(self, attachment_id: str) -> None:
        """See the port."""
        await self._drop([attachment_id])

    async def reach(self, volume_id: str) -> Connection:
        """Conflict: Cinder copies by itself."""
        raise Conflict(f"Volume {volume_id} is Cinder's, which copies by itself.")

    async def snapshot(self, volume_id: str, user_id: str, *, forces: bool, **fields: Any) -> Snapshot:  # noqa: ARG002
        """See the port. To Cinder it is the core's user who asks."""
        told = {"volume_id": volume_id, "force": forces, **fields}
        made = await self._wire.call("POST", "/snapshots", {"snapshot": told})
        return snapshot_of(made["snapshot"])

    async def list_snapshots(self, project_id: str | None = None) -> tuple[Snapshot, ...]:
        """See the port."""
        found = await self._wire.call("GET", "/snapshots/detail?all_tenants=1&sort=created_at:desc")
        snapshots = [snapshot_of(each) for each in found["snapshots"]]
        return tuple(snapshot for snapshot in snapshots if project_id in (None, snapshot.project_id))

    async def get_snapshot(self, snapshot_id: str) -> Snapshot:
        """See the port."""
        return snapshot_of((await self._wire.call("GET", f"/snapshots/{snapshot_id}"))["snapshot"])

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """See the port."""
        await self._wire.call("DELETE", f"/snapshots/{snapshot_id}")

    async def release(self, instance_uuid: str, delete: Collection[str] = ()) -> None:
        """See the port."""
        found = await self._wire.call("GET", f"/attachments?instance_id={instance_uuid}&all_tenants=1")
        await self._drop(each["id"] for each in found["attachments"])
        for volume_id in delete:
            try:
                await self._free(volume_id, instance_uuid)
                await self.delete(volume_id)
            except NotFound:
                continue
            except Conflict as reason:
                log.warning("volume %s outlives its server: %s", volume_id, reason.message)

    async def _free(self, volume_id: str, instance_uuid: str) -> None:
        """Wait until Cinder has let a volume go. Conflict: another server has it, or Cinder takes too long."""
        pauses, pause_s = iter(POLL_S), POLL_S[-1]
        end_s = asyncio.get_running_loop().time() + PATIENCE_S
        while (volume := await self.get(volume_id)).status in {"detaching", "in-use"}:
            if any(each.instance_uuid != instance_uuid for each in volume.attachments):
                raise Conflict(f"Volume {volume_id} is another server's, too.")
            if asyncio.get_running_loop().time() > end_s:
                raise Conflict(f"Volume {volume_id} is still {volume.status} after {PATIENCE_S:.0f} s.")
            pause_s = next(pauses, pause_s)
            await asyncio.sleep(pause_s)

    async def _act(self, volume_id: str, action: str, told: Any = None) -> Any:
        return await self._wire.call("POST", f"/volumes/{volume_id}/action", {action: told})

    async def _new(self, volume_id: str, instance_uuid: str, **more: Any) -> dict[str, Any]:
        asked = {"attachment": {"volume_uuid": volume_id, "instance_uuid": instance_uuid, **more}}
        made: dict[str, Any] = (await self._wire.call("POST", "/attachments", asked))["attachment"]
        return made

    async def _own(self, volume_id: str, instance_uuid: str) -> Sequence[Mapping[str, Any]]:
        """A server's attachments of a volume, the oldest first. NotFound: the volume is not there."""
        path = f"/attachments?instance_id={instance_uuid}&volume_id={volume_id}&all_tenants=1&sort=created_at:asc"
        found: Sequence[Mapping[str, Any]] = (await self._wire.call("GET", path))["attachments"]
        return found

    async def _drop(self, attachment_ids: Any) -> None:
        for attachment_id in attachment_ids:
            with suppress(NotFound):
                await self._wire.call("DELETE", f"/attachments/{attachment_id}")
