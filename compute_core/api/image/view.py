"""An image in Glance's words, and a body's members as fields of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.model.errors import Forbidden, Invalid
from compute_core.model.images import Image

FIELDS: Mapping[str, str] = {
    "name": "name",
    "visibility": "visibility",
    "protected": "is_protected",
    "os_hidden": "is_hidden",
    "owner": "owner",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "min_disk": "min_disk_gb",
    "min_ram": "min_ram_mb",
    "tags": "tags",
}
"""What a client may write: the API's name and the image's."""

READ_ONLY = frozenset({
    "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "self", "file", "schema",
    "direct_url", "locations", "id",
})  # fmt: skip


def shown(image: Image) -> dict[str, Any]:
    """The image; its own properties beside the members that every image has."""
    return {
        **image.properties,
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "protected": image.is_protected,
        "os_hidden": image.is_hidden,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "size": image.size_bytes,
        "virtual_size": image.virtual_size_bytes,
        "checksum": image.checksum_md5,
        "os_hash_algo": "sha512" if image.hash_sha512 else None,
        "os_hash_value": image.hash_sha512,
        "min_disk": image.min_disk_gb,
        "min_ram": image.min_ram_mb,
        "tags": list(image.tags),
        "created_at": image.created_at,
        "updated_at": image.updated_at,
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }


def changes_of(body: Mapping[str, Any], *, is_admin: bool) -> dict[str, Any]:
    """The fields of an image that the members of a body mean. Forbidden for what only an admin may set or nobody may."""
    for name in body:
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
    if not is_admin and body.get("visibility") == "public":
        raise Forbidden("You are not authorized to complete publicize_image action.")
    if not is_admin and "owner" in body:
        raise Forbidden("The owner of an image is set by an administrator only.")
    fields: dict[str, Any] = {FIELDS[name]: _value(name, value) for name, value in body.items() if name in FIELDS}
    properties = {name: value for name, value in body.items() if name not in FIELDS}
    if len(properties) > 128:
        raise Invalid("An image has at most 128 properties of its own.")
    return fields | {"properties": properties}


def _value(name: str, value: Any) -> Any:
    if name == "tags":
        return tuple(dict.fromkeys(value))
    return value if value is not None or name in {"disk_format", "container_format"} else ""
