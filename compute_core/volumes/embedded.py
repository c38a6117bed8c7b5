"""The embedded volume service: each volume is a whole LUN of an iSCSI array, the smallest that is large enough.

A LUN cannot be wiped from here, so one that a project has written on is given to nobody else. May not know hosts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compute_core.model.clock import Clock
from compute_core.model.errors import ComputeError, Conflict, Invalid, NotFound
from compute_core.model.volumes import Attachment, Connection, Snapshot, Volume, VolumeStatus
from compute_core.volumes.copies import Ask, Copies
from compute_core.volumes.luns import GIB, Lun
from compute_core.volumes.port import Connector
from compute_core.volumes.records import Record, RecordFiles

log = logging.getLogger(__name__)


class NoRoom(ComputeError):
    """No LUN is free that would do."""

    status = 413
    name = "overLimit"


class EmbeddedVolumes:
    """Volumes over these LUNs, kept in these files. ``new_id`` gives UUIDs."""

    copies_what_is_held = False

    def __init__(self, files: RecordFiles, luns: Sequence[Lun], clock: Clock, new_id: Callable[[], str]) -> None:
        self._files = files
        self._luns = {lun.id: lun for lun in sorted(luns, key=lambda lun: (lun.size_bytes, lun.id))}
        self._clock = clock
        self._new_id = new_id
        self._records = {record.lun: record for record in files.read()}
        self._copies: Copies | None = None

    def copy_by(self, ask: Ask) -> Copies:
        """Have LUNs copied so from now on; what a former life had begun goes on. To be closed."""
        self._copies = Copies(ask, self._copied)
        for record in self._records.values():
            if record.copied_from and not record.is_deleted:
                self._copies.begin(record.copied_from, record.volume.id)
        return self._copies

    def copier(self, record_id: str) -> str:
        """The host that copies onto this one; "" while none is chosen."""
        return next((record.copied_by for record in self._records.values() if record.volume.id == record_id), "")

    def choose_copier(self, record_id: str, host: str) -> None:
        """This host copies onto it and no other, however hosts come and go: nobody knows that what a host has begun is over."""
        for record in list(self._records.values()):
            if record.volume.id == record_id:
                self._keep(replace(record, copied_by=host))

    async def list(self, project_id: str | None = None) -> tuple[Volume, ...]:
        """See the port."""
        volumes = [self._shown(record) for record in self._records.values() if not record.is_deleted and not record.snapshot_of]
        mine = [volume for volume in volumes if project_id in (None, volume.project_id)]
        return tuple(sorted(mine, key=lambda volume: (volume.created_at, volume.id), reverse=True))

    async def get(self, volume_id: str) -> Volume:
        """See the port."""
        return self._shown(self._record(volume_id))

    async def create(self, project_id: str, user_id: str, size_gb: int, *, snapshot_id: str | None = None, **fields: Any) -> Volume:
        """See the port."""
        if snapshot_id is not None:
            return self._filled(project_id, user_id, size_gb, snapshot_id, **fields)
        lun = self._free_lun(project_id, size_gb)
        now = self._clock.iso()
        return self._keep(Record(Volume(self._new_id(), project_id, user_id, size_gb, now, now, **fields), lun.id))

    def _filled(self, project_id: str, user_id: str, size_gb: int, snapshot_id: str, **fields: Any) -> Volume:
        """A volume that holds what a snapshot does. Invalid: it would be too small, or the snapshot is not whole."""
        source = self._snapshot(snapshot_id)
        if source.volume.status != "available":
            raise Invalid(f"Invalid snapshot: {snapshot_id} is {source.volume.status}, not available.")
        if size_gb < source.volume.size_gb:
            raise Invalid(f"Volume size '{size_gb}'GB cannot be smaller than the snapshot size {source.volume.size_gb}GB.")
        lun, now = self._free_lun(project_id, size_gb, self._luns[source.lun].size_bytes), self._clock.iso()
        made = Volume(self._new_id(), project_id, user_id, size_gb, now, now, "creating", **fields)
        return self._begun(Record(made, lun.id, copied_from=snapshot_id))

    async def snapshot(self, volume_id: str, user_id: str, *, forces: bool, **fields: Any) -> Snapshot:
        """See the port."""
        source = self._record(volume_id)
        volume, allowed = self._shown(source), {"available", "in-use"} if forces else {"available"}
        if volume.status not in allowed:
            raise Conflict(f"Invalid volume: Volume {volume_id} status must be available, but current status is: {volume.status}.")
        lun, now = self._free_lun(volume.project_id, volume.size_gb, self._luns[source.lun].size_bytes), self._clock.iso()
        made = Volume(self._new_id(), volume.project_id, user_id, volume.size_gb, now, now, "creating", **fields)
        self._begun(Record(made, lun.id, snapshot_of=volume_id, copied_from=volume_id))
        return await self.get_snapshot(made.id)

    async def list_snapshots(self, project_id: str | None = None) -> tuple[Snapshot, ...]:
        """See the port."""
        records = [record for record in self._records.values() if record.snapshot_of and not record.is_deleted]
        mine = [_snapshot_of(record) for record in records if project_id in (None, record.volume.project_id)]
        return tuple(sorted(mine, key=lambda snapshot: (snapshot.created_at, snapshot.id), reverse=True))

    async def get_snapshot(self, snapshot_id: str) -> Snapshot:
        """See the port."""
        return _snapshot_of(self._snapshot(snapshot_id))

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """See the port."""
        record = self._snapshot(snapshot_id)
        if record.copied_from or self._is_copied(snapshot_id):
            raise Conflict(f"Volume Snapshot status must be available or error: snapshot {snapshot_id} is being copied.")
        self._keep(replace(record, is_deleted=True))

    async def reach(self, volume_id: str) -> Connection:
        """See the port."""
        for record in self._records.values():
            if record.volume.id == volume_id and not record.is_deleted:
                return self._luns[record.lun].connection
        raise NotFound.of("Volume", volume_id)

    async def update(self, volume_id: str, changes: Mapping[str, Any]) -> Volume:
        """See the port."""
        return self._changed(volume_id, **changes)

    async def extend(self, volume_id: str, size_gb: int) -> Volume:
        """See the port."""
        record = self._record(volume_id)
        if size_gb <= record.volume.size_gb:
            raise Invalid(
                f"New size for extend must be greater than current size. (current: {record.volume.size_gb}, extended: {size_gb})."
            )
        if size_gb > self._luns[record.lun].size_gb:
            raise NoRoom(f"The LUN of volume {volume_id} has {self._luns[record.lun].size_gb} GiB.")
        return self._changed(volume_id, size_gb=size_gb)

    async def delete(self, volume_id: str) -> None:
        """See the port."""
        record = self._record(volume_id)
        if record.volume.attachments:
            raise Conflict(f"Volume {volume_id} is {record.volume.status}: it cannot be deleted while it is a server's.")
        snapshots = [each for each in self._records.values() if each.snapshot_of == volume_id and not each.is_deleted]
        if snapshots:
            raise Conflict(f"Volume {volume_id} still has {len(snapshots)} dependent snapshots.")
        if record.copied_from:
            raise Conflict(f"Volume status must be available or error, but volume {volume_id} is {record.volume.status}.")
        self._keep(replace(record, is_deleted=True))

    async def reserve(self, volume_id: str, instance_uuid: str) -> Attachment:
        """See the port."""
        volume = await self.get(volume_id)
        may_share = bool(_of_server(volume, instance_uuid)) or (volume.is_multiattach and volume.status == "in-use")
        is_free = volume.status == "available" or (volume.status == "creating" and not volume.attachments)
        if volume.status == "backing-up" or not (is_free or may_share):
            raise Conflict(f"Invalid volume: status must be available, but it is {volume.status}.")
        made = Attachment(self._new_id(), volume_id, instance_uuid)
        self._attached(volume, (*volume.attachments, made))
        return made

    async def connect(self, attachment_id: str, connector: Connector, device: str) -> Connection:
        """See the port. What is still being copied is waited for."""
        volume, attachment = self._attachment(attachment_id)
        await self._filled_up(volume.id)
        volume, attachment = self._attachment(attachment_id)
        lun = self._luns.get(self._record(volume.id).lun)
        if lun is None:
            raise Conflict(f"The array has no LUN of volume {volume.id} any more.")
        if attachment.status == "reserved":
            self._must_not_be_copied(volume.id)
            self._replaced(volume, replace(attachment, status="attaching", device=device, host=connector.host))
        return replace(lun.connection, is_shared=volume.is_multiattach)

    async def arrive(self, volume_id: str, instance_uuid: str, connector: Connector, device: str) -> tuple[str, Connection]:
        """See the port."""
        volume = await self.get(volume_id)
        by_host = {each.host: each for each in _of_server(volume, instance_uuid)}
        if not by_host:
            raise Conflict(f"Volume {volume_id} is not server {instance_uuid}'s.")
        here = by_host.get(connector.host) or by_host.get("")
        if here is None:
            here = Attachment(self._new_id(), volume_id, instance_uuid)
            self._attached(volume, (*volume.attachments, here))
        return here.id, await self.connect(here.id, connector, device)

    async def settle(self, volume_id: str, instance_uuid: str, attachment_id: str) -> None:
        """See the port."""
        volume = await self.get(volume_id)
        own = _of_server(volume, instance_uuid)
        if len(own) > 1 and attachment_id in {each.id for each in own}:
            self._attached(volume, tuple(each for each in volume.attachments if each not in own or each.id == attachment_id))

    async def park(self, volume_id: str, instance_uuid: str) -> str:
        """See the port."""
        volume = await self.get(volume_id)
        own = _of_server(volume, instance_uuid)
        if not own:
            raise Conflict(f"Volume {volume_id} is not server {instance_uuid}'s.")
        parked = replace(own[0], status="reserved", host="")
        self._attached(volume, (*(each for each in volume.attachments if each not in own), parked))
        return parked.id

    async def complete(self, attachment_id: str) -> None:
        """See the port."""
        volume, attachment = self._attachment(attachment_id)
        self._replaced(volume, replace(attachment, status="attached"))

    async def begin_detaching(self, volume_id: str) -> None:
        """See the port."""
        volume = await self.get(volume_id)
        if volume.status != "in-use":
            raise Conflict(f"Invalid volume: status must be in-use, but it is {volume.status}.")
        if len(volume.attachments) == 1:
            self._changed(volume_id, status="detaching")

    async def roll_detaching(self, volume_id: str) -> None:
        """See the port."""
        volume = await self.get(volume_id)
        self._attached(volume, volume.attachments)

    async def swapped(self, volume_id: str, new_id: str) -> str:
        """See the port."""
        await self.get(volume_id)
        return new_id

    async def not_swapped(self, volume_id: str, new_id: str) -> None:  # noqa: ARG002  # the new one is given back by its attachment
        """See the port."""
        await self.roll_detaching(volume_id)

    async def disconnect(self, attachment_id: str) -> None:
        """See the port."""
        try:
            volume, attachment = self._attachment(attachment_id)
        except NotFound:
            return
        self._attached(volume, tuple(each for each in volume.attachments if each != attachment))

    async def release(self, instance_uuid: str, delete: Collection[str] = ()) -> None:
        """See the port."""
        for record in list(self._records.values()):
            volume = record.volume
            left = tuple(each for each in volume.attachments if each.instance_uuid != instance_uuid)
            if left != volume.attachments:
                self._attached(volume, left)
        for volume_id in delete:
            await self._deleted(volume_id)

    async def _deleted(self, volume_id: str) -> None:
        """One that need not be there any more, once it is filled; where it has to stay, that is said."""
        if self._copies is not None:
            await self._copies.over(volume_id)
        try:
            await self.delete(volume_id)
        except NotFound:
            return
        except Conflict as reason:
            log.warning("volume %s outlives its server: %s", volume_id, reason.message)

    def _begun(self, record: Record) -> Volume:
        """A record that a host is to fill. Conflict: there is nobody who would."""
        if self._copies is None:
            raise Conflict("Nobody copies LUNs here.")
        kept = self._keep(record)
        self._copies.begin(record.copied_from, kept.id)
        return kept

    def _copied(self, record_id: str, problem: str) -> None:
        """A copy has ended, well or with a problem; what it was for may be gone by now."""
        for record in list(self._records.values()):
            if record.volume.id == record_id and not record.is_deleted:
                status: VolumeStatus = "error" if problem else _status(record.volume.attachments)
                volume = replace(record.volume, status=status, updated_at=self._clock.iso())
                self._keep(replace(record, volume=volume, copied_from="", copied_by=""))

    async def _filled_up(self, volume_id: str) -> None:
        """Wait until a volume holds what it is to. Conflict: it never will, or whether it does is not known."""
        if self._copies is not None and self._record(volume_id).copied_from:
            await self._copies.over(volume_id)
        record = self._record(volume_id)
        if record.copied_from or record.volume.status == "error":
            raise Conflict(f"Volume {volume_id} is {'not filled yet' if record.copied_from else 'in error'}.")

    def _must_not_be_copied(self, volume_id: str) -> None:
        if self._is_copied(volume_id):
            raise Conflict(f"Volume {volume_id} is being copied.")

    def _is_copied(self, record_id: str) -> bool:
        return any(record.copied_from == record_id and not record.is_deleted for record in self._records.values())

    def _shown(self, record: Record) -> Volume:
        """As its users see it: what is copied from it is as it was when that began, so nobody may have it meanwhile."""
        return replace(record.volume, status="backing-up") if self._is_copied(record.volume.id) else record.volume

    def _free_lun(self, project_id: str, size_gb: int, least_bytes: int = 0) -> Lun:
        """The smallest that would do. NoRoom."""
        fitting = (lun for lun in self._luns.values() if lun.size_gb >= size_gb and lun.size_bytes >= least_bytes)
        lun = next((lun for lun in fitting if self._is_free(lun, project_id)), None)
        if lun is None:
            raise NoRoom(f"The array has no free LUN of {max(size_gb, least_bytes // GIB)} GiB or more for this project.")
        return lun

    def _snapshot(self, snapshot_id: str) -> Record:
        for record in self._records.values():
            if record.volume.id == snapshot_id and record.snapshot_of and not record.is_deleted:
                return record
        raise NotFound.of("Snapshot", snapshot_id)

    def _is_free(self, lun: Lun, project_id: str) -> bool:
        record = self._records.get(lun.id)
        return record is None or (record.is_deleted and record.volume.project_id == project_id)

    def _record(self, volume_id: str) -> Record:
        for record in self._records.values():
            if record.volume.id == volume_id and not record.is_deleted and not record.snapshot_of:
                return record
        raise NotFound.of("Volume", volume_id)

    def _attachment(self, attachment_id: str) -> tuple[Volume, Attachment]:
        for record in self._records.values():
            for attachment in record.volume.attachments:
                if attachment.id == attachment_id:
                    return record.volume, attachment
        raise NotFound.of("Attachment", attachment_id)

    def _replaced(self, volume: Volume, attachment: Attachment) -> None:
        self._attached(volume, tuple(attachment if each.id == attachment.id else each for each in volume.attachments))

    def _attached(self, volume: Volume, attachments: tuple[Attachment, ...]) -> None:
        """A volume that is not filled yet, or never will be, stays so whoever has it."""
        before = self._record(volume.id).volume.status
        status: VolumeStatus = before if before in {"creating", "error"} else _status(attachments)
        self._changed(volume.id, attachments=attachments, status=status)

    def _changed(self, volume_id: str, **changes: Any) -> Volume:
        record = self._record(volume_id)
        return self._keep(replace(record, volume=replace(record.volume, updated_at=self._clock.iso(), **changes)))

    def _keep(self, record: Record) -> Volume:
        self._files.write(record)
        self._records[record.lun] = record
        return record.volume


def _snapshot_of(record: Record) -> Snapshot:
    volume = record.volume
    return Snapshot(
        id=volume.id,
        volume_id=record.snapshot_of,
        project_id=volume.project_id,
        user_id=volume.user_id,
        size_gb=volume.size_gb,
        created_at=volume.created_at,
        updated_at=volume.updated_at,
        status=volume.status,
        name=volume.name,
        description=volume.description,
        metadata=volume.metadata,
    )


def _of_server(volume: Volume, instance_uuid: str) -> tuple[Attachment, ...]:
    return tuple(each for each in volume.attachments if each.instance_uuid == instance_uuid)


def _status(attachments: Sequence[Attachment]) -> VolumeStatus:
    """What a volume is by its attachments: the furthest of them says it."""
    statuses = {attachment.status for attachment in attachments}
    if "attached" in statuses:
        return "in-use"
    return "attaching" if "attaching" in statuses else "reserved" if statuses else "available"
