"""``POST /servers/{id}/action``: images of a server, and backups of it, whole or as what has changed."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.texts import is_true


async def create_image(call: Call, server_id: str, asked: Any) -> Reply:
    """Begin a snapshot."""
    return _told(call, await call.services.compute.create_image(call.context, server_id, asked["name"], asked.get("metadata", {})))


async def create_backup(call: Call, server_id: str, asked: Any) -> Reply:
    """Begin a backup; before 2.45 no image is told of where none of the series is to be left."""
    rotation = int(asked["rotation"])
    image_id = await call.services.compute.create_backup(
        call.context, server_id, asked["name"], asked["backup_type"], rotation, asked.get("metadata", {})
    )
    return _told(call, image_id) if rotation or call.version >= 45 else Reply()


async def create_incremental_backup(call: Call, server_id: str, asked: Any) -> Reply:
    """Begin a backup of what has changed since the last one of this kind. The action is our own."""
    image_id = await call.services.compute.create_incremental_backup(
        call.context,
        server_id,
        asked["name"],
        int(asked.get("rotation", 0)),
        is_full=is_true(asked.get("full", False)),
        properties=asked.get("metadata", {}),
    )
    return _told(call, image_id)


def _told(call: Call, image_id: str) -> Reply:
    """Before 2.45 the image is told by the Location header alone."""
    if call.version >= 45:
        return Reply({"image_id": image_id})
    return Reply(headers={"Location": f"{call.host_url}/image/v2/images/{image_id}"})
