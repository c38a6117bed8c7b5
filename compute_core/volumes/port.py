"""What the rest of the core asks of a volume service, whoever provides it.

A volume becomes a server's in three steps: it is reserved, connected (the host learns where it is), and complete. Taking it away is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from compute_core.model.volumes import Attachment, Connection, Snapshot, Volume


@dataclass(frozen=True, slots=True)
class Connector:
    """Who wants to reach a volume: a host by its address and its iSCSI initiator's name."""

    host: str
    address: str
    initiator: str = ""


class Attachments(Protocol):
    """What a compute service needs. Every method raises NotFound for a volume or an attachment that is not there."""

    async def get(self, volume_id: str) -> Volume:
        """One volume."""

    async def reserve(self, volume_id: str, instance_uuid: str) -> Attachment:
        """No other server may have it from now on. Conflict: one has; the same one gets a further attachment."""

    async def connect(self, attachment_id: str, connector: Connector, device: str) -> Connection:
        """Let a host reach it. Again is fine."""

    async def arrive(self, volume_id: str, instance_uuid: str, connector: Connector, device: str) -> tuple[str, Connection]:
        """A server that has it is coming to a host: the attachment by which it will have it there, and the way to it.

        Again is fine: the same one. Conflict: it is not the server's.
        """

    async def settle(self, volume_id: str, instance_uuid: str, attachment_id: str) -> None:
        """Of a server's attachments of it this one alone is left. Again is fine; one that is not there changes nothing."""

    async def park(self, volume_id: str, instance_uuid: str) -> str:
        """It is still the server's, but on no host for now: the attachment that says so. Again is fine."""

    async def complete(self, attachment_id: str) -> None:
        """It is attached. Again is fine."""

    async def begin_detaching(self, volume_id: str) -> None:
        """It is on its way out of its server. Conflict: it is in none."""

    async def roll_detaching(self, volume_id: str) -> None:
        """It stays after all."""

    async def swapped(self, volume_id: str, new_id: str) -> str:
        """What was on it is on the other one, which has its place in its server: by which id the server has that one from now on."""

    async def not_swapped(self, volume_id: str, new_id: str) -> None:
        """It keeps its place after all."""

    async def disconnect(self, attachment_id: str) -> None:
        """It is the server's no more; gone already is fine."""

    async def reach(self, volume_id: str) -> Connection:
        """The way to it, or to a snapshot, for a host that copies it for the service. Conflict: the service copies by itself."""

    async def release(self, instance_uuid: str, delete: Collection[str] = ()) -> None:
        """The server is gone: so are its attachments, and these of its volumes, but for what must stay. Again is fine."""


class Volumes(Attachments, Protocol):
    """What a volume service does for its users, too. ``copies_what_is_held``: whether it makes snapshots of what a guest holds."""

    copies_what_is_held: bool

    async def list(self, project_id: str | None = None) -> tuple[Volume, ...]:
        """A project's volumes, or everybody's, the newest first."""

    async def create(self, project_id: str, user_id: str, size_gb: int, **fields: Any) -> Volume:
        """Make a volume; ``fields`` are those of ``Volume``, and ``snapshot_id`` what it is to hold. NoRoom where there is none for it."""

    async def update(self, volume_id: str, changes: Mapping[str, Any]) -> Volume:
        """Change name, description, metadata or is_bootable."""

    async def extend(self, volume_id: str, size_gb: int) -> Volume:
        """Make it larger, also while it is attached. Invalid: it would not be larger. NoRoom."""

    async def delete(self, volume_id: str) -> None:
        """Forget it. Conflict: it is a server's, or has snapshots."""

    async def snapshot(self, volume_id: str, user_id: str, *, forces: bool, **fields: Any) -> Snapshot:
        """Begin to keep what is on it now; ``forces``: also while a server has it. Conflict. NoRoom. Invalid: there are none here."""

    async def list_snapshots(self, project_id: str | None = None) -> tuple[Snapshot, ...]:
        """A project's snapshots, or everybody's, the newest first."""

    async def get_snapshot(self, snapshot_id: str) -> Snapshot:
        """One of them."""

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """Forget one."""
