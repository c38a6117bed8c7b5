"""What may be sent to the identity and image endpoints."""

from __future__ import annotations

from compute_core.api.schemas.types import TEXTS, Schema, closed

_TEXT = {"type": "string", "maxLength": 255}
_DOMAIN = {"type": "object", "properties": {"id": _TEXT, "name": _TEXT}}
_USER = {
    "type": "object",
    "properties": {"id": _TEXT, "name": _TEXT, "domain": _DOMAIN, "password": {"type": "string"}},
    "required": ["password"],
    "anyOf": [{"required": ["id"]}, {"required": ["name", "domain"]}],
}
_PROJECT = {
    "type": "object",
    "properties": {"id": _TEXT, "name": _TEXT, "domain": _DOMAIN},
    "anyOf": [{"required": ["id"]}, {"required": ["name", "domain"]}],
}
_IDENTITY = {
    "type": "object",
    "properties": {
        "methods": {"type": "array", "items": {"enum": ["password", "token"]}, "minItems": 1, "maxItems": 2},
        "password": closed(("user",), user=_USER),
        "token": closed(("id",), id={"type": "string", "minLength": 1}),
    },
    "required": ["methods"],
}
_SCOPE = {"anyOf": [closed(("project",), project=_PROJECT), {"enum": ["unscoped", {"unscoped": {}}]}]}
AUTH: Schema = closed(("auth",), auth=closed(("identity",), identity=_IDENTITY, scope=_SCOPE))
"""``POST /v3/auth/tokens``."""

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
IMAGE_MEMBERS = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
    "name": {"type": ["string", "null"], "maxLength": 255},
    "visibility": {"enum": ["community", "public", "private", "shared"]},
    "protected": {"type": "boolean"},
    "os_hidden": {"type": "boolean"},
    "owner": {"type": "string", "minLength": 1, "maxLength": 255},
    "disk_format": {"enum": [*DISK_FORMATS, None]},
    "container_format": {"enum": [*CONTAINER_FORMATS, None]},
    "min_disk": {"type": "integer", "minimum": 0, "maximum": 0x7FFFFFFF},
    "min_ram": {"type": "integer", "minimum": 0, "maximum": 0x7FFFFFFF},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}, "uniqueItems": True, "maxItems": 128},
}
IMAGE: Schema = {"type": "object", "properties": IMAGE_MEMBERS, "additionalProperties": {"type": "string", "maxLength": 65535}}
"""``POST /v2/images``: what it does not know is a property of the image."""

_POINTER = {"type": "string", "pattern": "^/[^/]+$"}
_PATCH_VALUED = closed(("op", "path", "value"), op={"enum": ["add", "replace"]}, path=_POINTER, value={})
_PATCH_REMOVED = closed(("op", "path"), op={"const": "remove"}, path=_POINTER)
PATCH: Schema = {"type": "array", "items": {"anyOf": [_PATCH_VALUED, _PATCH_REMOVED]}, "maxItems": 256}
"""``PATCH /v2/images/{id}``: JSON Patch (RFC 6902) of members of the top."""

IMAGES: Schema = {
    "type": "object",
    "properties": {
        "limit": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,9}$"}},
        "sort_dir": {"type": "array", "items": {"enum": ["asc", "desc"]}},
        "sort": TEXTS,
        "size_min": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,18}$"}},
        "size_max": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,18}$"}},
        "protected": {"type": "array", "items": {"enum": ["true", "false", "True", "False"]}},
        "os_hidden": {"type": "array", "items": {"enum": ["true", "false", "True", "False"]}},
        "visibility": {"type": "array", "items": {"enum": ["public", "private", "community", "shared", "all"]}},
    },
}
"""The query of ``GET /v2/images``; other names are filters by property."""
