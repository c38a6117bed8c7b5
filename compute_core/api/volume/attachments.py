"""``/v3/attachments``: which hosts reach a volume for which servers, as compute services tell it. For admins: it names the way to disks."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Conflict, NotFound
from compute_core.model.volumes import Attachment, Connection, Volume
from compute_core.volumes.port import Connector, Volumes


def service_of(call: Call) -> Volumes:
    """The volume service. NotFound: it is somebody else's."""
    if call.services.volumes is None:
        raise NotFound("The volumes of this installation are another service's.")
    return call.services.volumes


def brief(attachment: Attachment) -> dict[str, Any]:
    """An attachment in a list."""
    told = {"status": attachment.status, "instance": attachment.instance_uuid, "volume_id": attachment.volume_id}
    return {"id": attachment.id, **told}


def view(attachment: Attachment, connection: Connection | None) -> dict[str, Any]:
    """An attachment by itself, with the way to the volume once a host has been told of it."""
    dates = {"attached_at": "", "detached_at": "", "attach_mode": "rw"}
    return {**brief(attachment), **dates, "connection_info": {} if connection is None else way(attachment, connection)}


def way(attachment: Attachment, connection: Connection) -> dict[str, Any]:
    """How a host reaches a volume."""
    target = connection.target
    login = {"auth_method": "CHAP", "auth_username": connection.user, "auth_password": connection.password} if target.asks_login else {}
    return {
        "driver_volume_type": "iscsi",
        "target_portal": f"{target.address}:{target.port}",
        "target_iqn": target.iqn,
        "target_lun": target.lun,
        "target_discovered": False,
        "access_mode": "rw",
        "encrypted": False,
        "volume_id": attachment.volume_id,
        "attachment_id": attachment.id,
        **login,
    }


async def index(call: Call) -> dict[str, Any]:
    """Those of a server, of a volume, or all of them."""
    return {"attachments": [brief(each) for each in await _selected(call)]}


async def detail(call: Call) -> dict[str, Any]:
    """The same with everything."""
    return {"attachments": [await _shown(call, each) for each in await _selected(call)]}


async def create(call: Call) -> dict[str, Any]:
    """A server is to have a volume; with a connector, a host learns at once how it reaches it."""
    asked = call.body["attachment"]
    made = await service_of(call).reserve(asked["volume_uuid"], asked["instance_uuid"])
    if not asked.get("connector"):
        return {"attachment": view(made, None)}
    return await _connected(call, made.id, asked["connector"])


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    _, attachment = await _found(call, call.path["attachment_id"])
    return {"attachment": await _shown(call, attachment)}


async def update(call: Call) -> dict[str, Any]:
    """Tell a host how it reaches the volume. Conflict: another one does already, and was not announced."""
    volume, attachment = await _found(call, call.path["attachment_id"])
    others = [each for each in volume.attachments if each.id != attachment.id and each.host]
    if others and not volume.is_multiattach:
        raise Conflict(f"Resource conflict: duplicate connectors detected on volume {volume.id}")
    return await _connected(call, attachment.id, call.body["attachment"]["connector"])


async def complete(call: Call) -> None:
    """The server has it."""
    await _found(call, call.path["attachment_id"])
    await service_of(call).complete(call.path["attachment_id"])


async def delete(call: Call) -> dict[str, Any]:
    """It has it no more, or not by this host; the attachments of the volume that are left."""
    volume, attachment = await _found(call, call.path["attachment_id"])
    await service_of(call).disconnect(attachment.id)
    left = await service_of(call).get(volume.id)
    return {"attachments": [brief(each) for each in left.attachments]}


async def _connected(call: Call, attachment_id: str, told: Any) -> dict[str, Any]:
    connector = Connector(told["host"], told.get("ip") or "", told.get("initiator") or "")
    connection = await service_of(call).connect(attachment_id, connector, told.get("mountpoint") or "")
    _, attachment = await _found(call, attachment_id)
    return {"attachment": view(attachment, connection)}


async def _shown(call: Call, attachment: Attachment) -> dict[str, Any]:
    if not attachment.host:
        return view(attachment, None)
    here = Connector(attachment.host, "")
    return view(attachment, await service_of(call).connect(attachment.id, here, attachment.device))


async def _selected(call: Call) -> list[Attachment]:
    server, volume_id = call.query.get("instance_id"), call.query.get("volume_id")
    volumes = await service_of(call).list() if volume_id is None else [await service_of(call).get(volume_id)]
    return [each for volume in volumes for each in volume.attachments if server in (None, each.instance_uuid)]


async def _found(call: Call, attachment_id: str) -> tuple[Volume, Attachment]:
    for volume in await service_of(call).list():
        for attachment in volume.attachments:
            if attachment.id == attachment_id:
                return volume, attachment
    raise NotFound.of("Volume attachment", attachment_id)
