"""Snapshots of volumes: made, listed, shown, changed in nothing, deleted."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.api.paging import page
from compute_core.api.texts import is_true
from compute_core.api.volume.attachments import service_of
from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.instances import SHUTDOWN
from compute_core.model.volumes import Snapshot, Volume


def view(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot with everything."""
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "size": snapshot.size_gb,
        "status": snapshot.status,
        "metadata": dict(snapshot.metadata),
        "user_id": snapshot.user_id,
        "group_snapshot_id": None,
        "created_at": f"{snapshot.created_at.removesuffix('Z')}.000000",
        "updated_at": f"{snapshot.updated_at.removesuffix('Z')}.000000",
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress": "100%" if snapshot.status == "available" else "0%",
    }


async def detail(call: Call) -> dict[str, Any]:
    """All of them that one may see."""
    query = call.query
    sees_all = call.context.is_admin and is_true(query.get("all_tenants") or False)
    found = await service_of(call).list_snapshots(None if sees_all else call.context.project_id)
    asked = {"name": query.get("name"), "status": query.get("status"), "volume_id": query.get("volume_id")}
    named = [each for each in found if all(value in (None, getattr(each, name)) for name, value in asked.items())]
    return {"snapshots": [view(each) for each in page(named, query, lambda each: each.id)]}


async def create(call: Call) -> dict[str, Any]:
    """Begin to make one. Invalid: its volume is held by a guest, or is not to be had as it is."""
    asked = call.body["snapshot"]
    volume = await _volume(call, asked["volume_id"])
    await _refuse_running(call, volume)
    fields = {"name": asked.get("name") or "", "description": asked.get("description"), "metadata": asked.get("metadata") or {}}
    forces = is_true(asked.get("force", False))
    try:
        made = await service_of(call).snapshot(volume.id, call.context.user_id, forces=forces, **fields)
    except Conflict as taken:
        raise Invalid(taken.message) from taken
    return {"snapshot": view(made)}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    return {"snapshot": view(await _visible(call))}


async def delete(call: Call) -> None:
    """Delete one. Cinder says 400 of one that is being copied."""
    snapshot = await _visible(call)
    try:
        await service_of(call).delete_snapshot(snapshot.id)
    except Conflict as busy:
        raise Invalid(f"Invalid snapshot: {busy.message}") from busy


async def _refuse_running(call: Call, volume: Volume) -> None:
    """Hosts copy no LUN that a guest holds."""
    if service_of(call).copies_what_is_held:
        return
    for attachment in volume.attachments:
        server = await call.services.compute.get_server(call.context, attachment.instance_uuid)
        if server.power_state not in {SHUTDOWN, 0}:
            raise Invalid(f"Invalid volume: server {server.uuid} holds volume {volume.id}. Cure: stop the server first.")


async def _volume(call: Call, volume_id: str) -> Volume:
    volume = await service_of(call).get(volume_id)
    if not call.context.is_admin and volume.project_id != call.context.project_id:
        raise NotFound.of("Volume", volume_id)
    return volume


async def _visible(call: Call) -> Snapshot:
    return await visible_snapshot(call, call.path["snapshot_id"])


async def visible_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    """A snapshot that the caller may see. NotFound."""
    snapshot = await service_of(call).get_snapshot(snapshot_id)
    if not call.context.is_admin and snapshot.project_id != call.context.project_id:
        raise NotFound.of("Snapshot", snapshot.id)
    return snapshot
