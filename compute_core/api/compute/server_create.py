"""``POST /servers``: from a body that fits its schema to a request for the cells, refusing what cannot be meant."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from compute_core.api.call import Call, Reply
from compute_core.api.compute.block_devices import image_and_disks
from compute_core.api.compute.links import links_of
from compute_core.api.compute.new_interfaces import wishes
from compute_core.api.texts import address, is_true
from compute_core.model.errors import Forbidden, Invalid, NotFound
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.model.instances import File
from compute_core.model.limits import LONGEST_PATH, MOST_FILE_BYTES, MOST_FILES
from compute_core.model.networks import DEFAULT_GROUP
from compute_core.model.requests import ServerRequest

Body = Mapping[str, Any]

_OLD_FORM = "Block Device Mapping is Invalid: block_device_mapping is not read here. Cure: send block_device_mapping_v2."
_HINTS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")


async def create(call: Call) -> Any:
    """Begin to build one server or several; the answer names the first, or their reservation."""
    asked: Body = call.body["server"]
    _refuse_unsupported(asked)
    flavor = await _flavor(call, str(asked["flavorRef"]))
    image_ref, disks = image_and_disks(asked)
    if image_ref:
        _check_size(await _image(call, image_ref), flavor)
    request = replace(await _request(call, asked, flavor, image_ref), disks=disks)
    servers = await call.services.compute.create_servers(call.context, request)
    if is_true(asked.get("return_reservation_id", False)):
        return {"reservation_id": servers[0].reservation_id}
    first = servers[0]
    answer = {
        "id": first.uuid,
        "links": links_of(call, "servers", first.uuid),
        "OS-DCF:diskConfig": first.disk_config,
        "security_groups": [dict(group) for group in asked.get("security_groups", ({"name": DEFAULT_GROUP},))],
        "adminPass": request.admin_password,
    }
    return Reply({"server": answer}, headers={"Location": f"{call.base_url}/servers/{first.uuid}"})


async def _request(call: Call, asked: Body, flavor: Flavor, image_ref: str) -> ServerRequest:
    zone, target_host = _placement(call, asked)
    minimum, maximum = _counts(asked)
    return ServerRequest(
        name=asked["name"],
        flavor_id=flavor.id,
        image_ref=image_ref,
        min_count=minimum,
        max_count=maximum,
        metadata=asked.get("metadata", {}),
        tags=tuple(dict.fromkeys(asked.get("tags", ()))),
        user_data=asked.get("user_data"),
        personality=personality(asked.get("personality", ())),
        has_config_drive=is_true(asked.get("config_drive", False)),
        key_name=await _key_name(call, asked.get("key_name")),
        availability_zone=await _zone(call, zone),
        target_host=target_host,
        description=asked.get("description"),
        disk_config=asked.get("OS-DCF:diskConfig", ""),
        access_ip_v4=address(asked.get("accessIPv4", "")),
        access_ip_v6=address(asked.get("accessIPv6", "")),
        networks=await wishes(call, asked),
        scheduler_hints=_hints(call.body),
        admin_password=asked.get("adminPass") or call.services.new_password(),
    )


def _refuse_unsupported(asked: Body) -> None:
    if asked.get("block_device_mapping"):
        raise Invalid(_OLD_FORM)
    if asked.get("trusted_image_certificates"):
        raise Invalid("Image signatures are not checked here, so no trusted certificates can be asked for.")


def personality(asked: Sequence[Body]) -> tuple[File, ...]:
    """The user's files. Forbidden beyond the limits that ``GET /limits`` tells."""
    if len(asked) > MOST_FILES:
        raise Forbidden(f"Quota exceeded, too many files: {len(asked)}, {MOST_FILES} are allowed.")
    for file in asked:
        if len(file["path"].encode()) > LONGEST_PATH:
            raise Forbidden(f"Quota exceeded, a path is longer than {LONGEST_PATH} bytes.")
        if len(b64decode(file["contents"])) > MOST_FILE_BYTES:
            raise Forbidden(f"Quota exceeded, {file['path']} has more than {MOST_FILE_BYTES} bytes.")
    return tuple(File(file["path"], file["contents"]) for file in asked)


async def _flavor(call: Call, flavor_id: str) -> Flavor:
    try:
        return await call.services.compute.get_flavor(call.context, flavor_id)
    except NotFound as problem:
        raise Invalid(problem.message) from None


async def _image(call: Call, image_id: str) -> Image:
    try:
        image = await call.services.images.get(image_id)
    except NotFound:
        raise Invalid("Can not find requested image") from None
    if not call.context.is_admin and image.owner != call.context.project_id and image.visibility not in {"public", "community"}:
        raise Invalid("Can not find requested image")
    if image.status != "active":
        raise Invalid(f"Image {image_id} is not active.")
    return image


def _check_size(image: Image, flavor: Flavor) -> None:
    if flavor.memory_mb < image.min_ram_mb:
        raise Invalid("Flavor's memory is too small for requested image.")
    if flavor.root_gb and flavor.root_gb < image.min_disk_gb:
        raise Invalid(f"Flavor's disk is too small for requested image: it has {flavor.root_gb} GiB, the image needs {image.min_disk_gb}.")
    if flavor.root_gb and (image.virtual_size_bytes or 0) > flavor.root_gb << 30:
        raise Invalid(f"Flavor's disk is too small for requested image: the image is a disk of {image.virtual_size_bytes} bytes.")


def _counts(asked: Body) -> tuple[int, int]:
    minimum = int(asked.get("min_count", 1))
    maximum = int(asked.get("max_count", minimum))
    if minimum > maximum:
        raise Invalid("min_count must be <= max_count")
    return minimum, maximum


def _placement(call: Call, asked: Body) -> tuple[str | None, str | None]:
    """Zone and host. An admin may name a host, as ``zone:host`` or, from 2.74 on, by itself."""
    zone, _, host = str(asked.get("availability_zone", "")).partition(":")
    host = host.partition(":")[0]
    named = asked.get("host") or asked.get("hypervisor_hostname")
    if host and named:
        raise Invalid("A host is named twice: by availability_zone and by host.")
    if (host or named) and not call.context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
    return zone or None, host or named or None


async def _zone(call: Call, name: str | None) -> str | None:
    if name is None:
        return None
    if not await call.services.compute.has_zone(name):
        raise Invalid("The requested availability zone is not available")
    return name


async def _key_name(call: Call, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        await call.services.compute.get_keypair(call.context, name)
    except NotFound:
        raise Invalid("Invalid key_name provided.") from None
    return name


def _hints(body: Body) -> dict[str, str]:
    hints: Body = next((body[name] for name in _HINTS if name in body), {})
    return {str(key): str(value) for key, value in hints.items()}
