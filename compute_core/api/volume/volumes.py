"""Volumes: made, listed, shown, changed, extended, deleted; and the endpoint's versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.paging import page
from compute_core.api.schemas.types import Schema
from compute_core.api.schemas.volumes import BOOTABLE, DETACHING, EXTEND, MIGRATED, STAYING
from compute_core.api.texts import is_true
from compute_core.api.validation import check_body
from compute_core.api.volume.snapshots import visible_snapshot
from compute_core.model.errors import Conflict, Forbidden, Invalid, NotFound
from compute_core.model.volumes import Attachment, Volume
from compute_core.volumes.port import Volumes

MAXIMUM = "3.44"
"""From here on attachments are said to be complete; since 3.42 volumes are extended while they are attached."""

UNBOUNDED = ("maxTotalVolumes", "maxTotalVolumeGigabytes", "maxTotalSnapshots", "maxTotalBackups", "maxTotalBackupGigabytes")


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": MAXIMUM,
        "min_version": "3.0",
        "updated": "2018-07-17T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.host_url}/volume/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }


async def versions(call: Call) -> dict[str, Any]:
    """The one version."""
    return {"versions": [_version(call)]}


async def limits(call: Call) -> dict[str, Any]:
    """What the caller's project has; the targets alone bound it, and there are no backups."""
    own = await _service(call).list(call.context.project_id)
    none = dict.fromkeys(("totalBackupsUsed", "totalBackupGigabytesUsed"), 0)
    snapshots = len(await _service(call).list_snapshots(call.context.project_id))
    unbounded = dict.fromkeys(UNBOUNDED, -1)
    used = {"totalVolumesUsed": len(own), "totalGigabytesUsed": sum(volume.size_gb for volume in own), "totalSnapshotsUsed": snapshots}
    return {"limits": {"rate": [], "absolute": {**unbounded, **used, **none}}}


def brief(call: Call, volume: Volume) -> dict[str, Any]:
    """A volume in a list without details."""
    href = f"{call.base_url}/v3/volumes/{volume.id}"
    return {"id": volume.id, "name": volume.name, "links": [{"rel": rel, "href": href} for rel in ("self", "bookmark")]}


def view(call: Call, volume: Volume) -> dict[str, Any]:
    """A volume with everything."""
    nothing = dict.fromkeys(("snapshot_id", "source_volid", "consistencygroup_id", "replication_status", "volume_type", "group_id"))
    return {
        **brief(call, volume),
        **nothing,
        "status": volume.status,
        "size": volume.size_gb,
        "description": volume.description,
        "metadata": dict(volume.metadata),
        "bootable": "true" if volume.is_bootable else "false",
        "multiattach": volume.is_multiattach,
        "encrypted": False,
        "availability_zone": "nova",
        "user_id": volume.user_id,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
        "created_at": _date(volume.created_at),
        "updated_at": _date(volume.updated_at),
        "attachments": [_attachment(volume, each) for each in volume.attachments if each.status == "attached"],
    }


def _attachment(volume: Volume, attachment: Attachment) -> dict[str, Any]:
    return {
        "id": volume.id,
        "volume_id": volume.id,
        "attachment_id": attachment.id,
        "server_id": attachment.instance_uuid,
        "device": attachment.device,
        "host_name": attachment.host,
        "attached_at": _date(volume.updated_at),
    }


def _date(date: str) -> str:
    return f"{date.removesuffix('Z')}.000000"


async def index(call: Call) -> dict[str, Any]:
    """Volumes by id and name."""
    return {"volumes": [brief(call, volume) for volume in await _select(call)]}


async def detail(call: Call) -> dict[str, Any]:
    """Volumes with everything."""
    return {"volumes": [view(call, volume) for volume in await _select(call)]}


async def _select(call: Call) -> list[Volume]:
    query = call.query
    sees_all = call.context.is_admin and is_true(query.get("all_tenants") or False)
    found = await _service(call).list(None if sees_all else call.context.project_id)
    named = [volume for volume in found if query.get("name") in (None, volume.name) and query.get("status") in (None, volume.status)]
    return list(page(named, query, lambda volume: volume.id))


async def create(call: Call) -> dict[str, Any]:
    """Make one."""
    asked = call.body["volume"]
    if asked.get("snapshot_id"):
        await visible_snapshot(call, asked["snapshot_id"])
    volume = await _service(call).create(
        call.context.project_id,
        call.context.user_id,
        int(asked["size"]),
        name=asked.get("name") or "",
        description=asked.get("description"),
        metadata=asked.get("metadata") or {},
        is_multiattach=is_true(asked.get("multiattach", False)),
        snapshot_id=asked.get("snapshot_id"),
    )
    return {"volume": view(call, volume)}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    return {"volume": view(call, await _visible(call))}


async def update(call: Call) -> dict[str, Any]:
    """Change name, description or metadata."""
    volume = await _visible(call)
    changes = {name: value if name != "name" else value or "" for name, value in call.body["volume"].items()}
    return {"volume": view(call, await _service(call).update(volume.id, changes))}


async def delete(call: Call) -> None:
    """Delete one. Cinder says 400 of one that is in use."""
    volume = await _visible(call)
    try:
        await _service(call).delete(volume.id)
    except Conflict as taken:
        raise Invalid(f"Invalid volume: {taken.message}") from taken


async def metadata(call: Call) -> dict[str, Any]:
    """What the user has written down about it."""
    return {"metadata": dict((await _visible(call)).metadata)}


async def add_metadata(call: Call) -> dict[str, Any]:
    """Write more down about it."""
    volume = await _visible(call)
    return await _noted(call, volume, {**volume.metadata, **call.body["metadata"]})


async def replace_metadata(call: Call) -> dict[str, Any]:
    """Write something else down about it."""
    return await _noted(call, await _visible(call), call.body["metadata"])


async def delete_metadata(call: Call) -> None:
    """Strike one item out."""
    volume, key = await _visible(call), call.path["key"]
    if key not in volume.metadata:
        raise NotFound(f"Metadata item {key} was not found.")
    await _noted(call, volume, {name: value for name, value in volume.metadata.items() if name != key})


async def _noted(call: Call, volume: Volume, items: Mapping[str, str]) -> dict[str, Any]:
    changed = await _service(call).update(volume.id, {"metadata": dict(items)})
    return {"metadata": dict(changed.metadata)}


async def act(call: Call) -> Reply:
    """One of ACTS."""
    volume, ((name, told), *_) = await _visible(call), call.body.items()
    check_body(call.body, ACTS[name][0])
    return await ACTS[name][1](call, volume, told)


async def _bootable(call: Call, volume: Volume, told: Any) -> Reply:
    """It can be booted from, or not."""
    await _service(call).update(volume.id, {"is_bootable": is_true(told["bootable"])})
    return Reply(status=200)


async def _detaching(call: Call, volume: Volume, _: Any) -> Reply:
    """It is on its way out of its server."""
    _must_be_service(call)
    await _service(call).begin_detaching(volume.id)
    return Reply(status=202)


async def _staying(call: Call, volume: Volume, _: Any) -> Reply:
    """It stays there after all."""
    _must_be_service(call)
    await _service(call).roll_detaching(volume.id)
    return Reply(status=202)


async def _migrated(call: Call, volume: Volume, told: Any) -> Reply:
    """Another one has its place, with what is on it; or it has not. By which id its server has that from now on."""
    _must_be_service(call)
    if is_true(told.get("error", False)):
        return Reply({"save_volume_id": volume.id})
    return Reply({"save_volume_id": await _service(call).swapped(volume.id, told["new_volume"])})


def _must_be_service(call: Call) -> None:
    if not call.context.is_admin:
        raise Forbidden("Policy doesn't allow this volume action to be performed.")


async def _extend(call: Call, volume: Volume, told: Any) -> Reply:
    """Make it larger; the hosts of the servers that have it look at it anew."""
    size_gb = int(told["new_size"])
    await _service(call).extend(volume.id, size_gb)
    for attachment in volume.attachments:
        await call.services.compute.tell_host(call.context, attachment.instance_uuid, "volume-extended", tag=volume.id)
    return Reply(status=202)


ACTS: Mapping[str, tuple[Schema, Callable[[Call, Volume, Any], Awaitable[Reply]]]] = {
    "os-extend": (EXTEND, _extend),
    "os-set_bootable": (BOOTABLE, _bootable),
    "os-begin_detaching": (DETACHING, _detaching),
    "os-roll_detaching": (STAYING, _staying),
    "os-migrate_volume_completion": (MIGRATED, _migrated),
}


async def _visible(call: Call) -> Volume:
    volume_id = call.path["volume_id"]
    volume = await _service(call).get(volume_id)
    if not call.context.is_admin and volume.project_id != call.context.project_id:
        raise NotFound.of("Volume", volume_id)
    return volume


def _service(call: Call) -> Volumes:
    if call.services.volumes is None:
        raise NotFound("The volumes of this installation are another service's.")
    return call.services.volumes
