"""``/servers/{id}/os-volume_attachments``: which volumes a server has."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.asked import asked_server
from compute_core.api.paging import limit_of
from compute_core.api.texts import is_true
from compute_core.model.errors import Forbidden, Invalid, NotFound
from compute_core.model.instances import Instance
from compute_core.model.volumes import BlockDevice


def view(call: Call, server: str, device: BlockDevice) -> dict[str, Any]:
    """One attachment, as the version shows it."""
    tag = {"tag": device.tag} if call.version >= 70 else {}
    kept = {"delete_on_termination": device.deletes_volume} if call.version >= 79 else {}
    return {"id": device.volume_id, "serverId": server, "volumeId": device.volume_id, "device": device.device, **tag, **kept}


async def index(call: Call) -> dict[str, Any]:
    """All of them."""
    server = await asked_server(call)
    start = int(call.query.get("offset") or 0)
    devices = [device for device in server.block_devices if device.is_shown][start : start + limit_of(call.query)]
    return {"volumeAttachments": [view(call, server.uuid, device) for device in devices]}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    server = await asked_server(call)
    return {"volumeAttachment": view(call, server.uuid, _device(server, call.path["volume_id"]))}


async def attach(call: Call) -> dict[str, Any]:
    """Begin to attach a volume."""
    asked = call.body["volumeAttachment"]
    server = call.path["server_id"]
    made = await call.services.compute.attach_volume(
        call.context,
        server,
        asked["volumeId"],
        device=asked.get("device"),
        tag=asked.get("tag"),
        deletes_volume=is_true(asked.get("delete_on_termination", False)),
    )
    return {"volumeAttachment": view(call, server, made)}


async def change(call: Call) -> None:
    """Say whether the volume is deleted with the server, or, as an admin, begin to put another volume in its place."""
    asked, volume_id = call.body["volumeAttachment"], call.path["volume_id"]
    device = _device(await asked_server(call), volume_id)
    if asked["volumeId"] != volume_id:
        if not call.context.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:os-volumes-attachments:swap to be performed.")
        await call.services.compute.swap_volume(call.context, call.path["server_id"], volume_id, asked["volumeId"])
        return
    if asked.get("device", device.device) != device.device or asked.get("tag", device.tag) != device.tag:
        raise Invalid("Of an attachment, delete_on_termination alone may be changed.")
    if "delete_on_termination" in asked:
        keeps = is_true(asked["delete_on_termination"])
        await call.services.compute.keep_volume(call.context, call.path["server_id"], volume_id, deletes_volume=keeps)


async def detach(call: Call) -> None:
    """Begin to detach a volume."""
    await call.services.compute.detach_volume(call.context, call.path["server_id"], call.path["volume_id"])


def _device(server: Instance, volume_id: str) -> BlockDevice:
    for device in server.block_devices:
        if device.volume_id == volume_id and device.is_shown:
            return device
    raise NotFound(f"Instance {server.uuid} is not attached to volume {volume_id}")
