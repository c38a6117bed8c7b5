"""Backups of servers, at the top: an image is queued, and the server's host is told to fill it and to let go of older ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compute_core.cells.servers import CellServers
from compute_core.images.port import ImageStore
from compute_core.model import backups
from compute_core.model.errors import ComputeError
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext
from compute_core.model.transitions import begin


class ServerBackups:
    """See the port for each."""

    def __init__(self, servers: CellServers, images: ImageStore) -> None:
        self._servers = servers
        self._images = images

    async def create_backup(
        self, context: RequestContext, uuid: str, name: str, kind: str, rotation: int, properties: Mapping[str, str]
    ) -> str:  # fmt: skip
        """See the port."""
        own = {"image_type": backups.BACKUP, backups.KIND: kind, backups.ROTATION: str(rotation)}
        return await self._begin(context, uuid, "backup", name, {**properties, **own}, {})

    async def create_incremental_backup(
        self, context: RequestContext, uuid: str, name: str, rotation: int, *, is_full: bool, properties: Mapping[str, str]
    ) -> str:  # fmt: skip
        """See the port."""
        own = {"image_type": backups.POINT, backups.ROTATION: str(rotation), backups.PARENT: ""}
        return await self._begin(context, uuid, "incremental_backup", name, {**properties, **own}, {"is_full": is_full})

    async def _begin(
        self, context: RequestContext, uuid: str, action: str, name: str, properties: Mapping[str, str], arguments: Mapping[str, bool]
    ) -> str:  # fmt: skip
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, action)
        owner = replace(context, project_id=instance.project_id)  # whoever asks, the points of a server are one project's
        image = await self._servers.queue_image(owner, instance, name, properties)
        asked = {"context": to_json(context), "action": action, "arguments": {"image_id": image.id, **arguments}}
        try:
            await self._servers.ask_cell(context, uuid, "act", asked)
        except ComputeError:
            await self._images.delete(image.id)
            raise
        return image.id
