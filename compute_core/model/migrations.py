"""Migrations: the record of a server's way from one host, or one size, to another. The compute cell keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compute_core.model.flavors import Flavor

Kind = Literal["resize", "migration", "live-migration", "evacuation"]
Status = Literal[
    "pre-migrating",
    "migrating",
    "post-migrating",
    "finished",
    "confirming",
    "confirmed",
    "reverting",
    "reverted",
    "preparing",
    "running",
    "completed",
    "accepted",
    "done",
    "cancelled",
    "error",
]
"""In the API's words: the first row of a resize, then those of a live migration and of an evacuation."""

OVER: frozenset[str] = frozenset({"confirmed", "reverted", "completed", "done", "cancelled", "error"})
"""Where a migration has ended, and holds no claim any more."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration. ``uuid`` is also the name under which its destination's room is claimed; ``id`` counts within its cell.

    ``was_running``: whether the server ran when it began; ``progress`` in percent, of a live one.
    """

    uuid: str
    instance_uuid: str
    project_id: str
    user_id: str
    kind: Kind
    status: Status
    source: str
    destination: str
    source_node: str
    destination_node: str
    destination_address: str
    old_flavor: Flavor
    new_flavor: Flavor
    created_at: str
    updated_at: str
    id: int = 0
    was_running: bool = True
    progress: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class MigrationFilters:
    """What a list of migrations may ask for; None means "any"."""

    host: str | None = None
    status: str | None = None
    instance_uuid: str | None = None
    source: str | None = None
    kind: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    changes_since: str | None = None
    changes_before: str | None = None

    def take(self, migration: Migration) -> bool:
        """Whether a migration is among what is asked for."""
        told: Mapping[str, str] = {
            "status": migration.status,
            "instance_uuid": migration.instance_uuid,
            "source": migration.source,
            "kind": migration.kind,
            "user_id": migration.user_id,
            "project_id": migration.project_id,
        }
        is_on_host = self.host is None or self.host in {migration.source, migration.destination}
        is_in_time = (self.changes_since or "") <= migration.updated_at <= (self.changes_before or "9")
        return is_on_host and is_in_time and all(getattr(self, name) in {None, value} for name, value in told.items())
