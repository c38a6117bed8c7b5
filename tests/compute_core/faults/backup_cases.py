"""Backups under faults: whole ones with rotation, and those of what has changed."""

from __future__ import annotations

from tests.compute_core.faults.case import Case, Deed
from tests.compute_core.faults.deeds import after, with_server
from tests.compute_core.faults.scene import USER, Scene


def backing_up(rotation: int) -> Deed:
    """A whole backup is made, and so many are left."""

    async def deed(scene: Scene) -> None:
        await scene.cloud.api_cell.create_backup(USER, await scene.uuid(), "backup", "daily", rotation, {})

    return deed


async def _incremental(scene: Scene) -> None:
    server = await scene.uuid()
    await scene.cloud.api_cell.create_incremental_backup(USER, server, "point", 1, is_full=False, properties={})


BACKUPS = (
    Case("backup", backing_up(1), with_server, at_most=10),
    Case("backup-rotated", backing_up(1), after(backing_up(1)), at_most=10, also=(after(backing_up(1), backing_up(2)),)),
    Case("incremental-backup", _incremental, with_server, at_most=10),
    Case("incremental-backup-next", _incremental, after(_incremental), at_most=12),
)
