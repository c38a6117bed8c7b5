"""What may be sent to the actions of a server's life beyond its power."""

from __future__ import annotations

from compute_core.api.schemas.types import (
    BOOLEAN,
    DESCRIPTION,
    METADATA,
    NAME,
    NUMBER,
    TEXTS,
    UUID,
    Member,
    Schema,
    closed,
    of_version,
    only,
)

_PASSWORD = {"type": "string"}
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
_FILES = {"type": "array", "items": closed(("path", "contents"), path={"type": "string"}, contents={"type": "string", "format": "base64"})}

NULL_OR_NOTHING: Schema = {"type": ["object", "null"], "additionalProperties": False}
RESCUE: Schema = {
    "type": ["object", "null"],
    "properties": {"adminPass": _PASSWORD, "rescue_image_ref": UUID},
    "additionalProperties": False,
}
CHANGE_PASSWORD = closed(("adminPass",), adminPass=_PASSWORD)


def lock(minor: int) -> Schema:
    """``lock``: from 2.73 on with a reason."""
    reason = {"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}} if minor >= 73 else {}
    return {"type": ["object", "null"], "properties": reason, "additionalProperties": minor < 73}


_REBUILD = (
    Member("imageRef", UUID, required_since=1),
    Member("name", NAME),
    Member("adminPass", _PASSWORD),
    Member("metadata", METADATA),
    Member("preserve_ephemeral", BOOLEAN),
    Member("OS-DCF:diskConfig", _DISK_CONFIG),
    Member("accessIPv4", {"type": "string", "anyOf": [{"format": "ipv4"}, {"maxLength": 0}]}),
    Member("accessIPv6", {"type": "string", "anyOf": [{"format": "ipv6"}, {"maxLength": 0}]}),
    Member("personality", _FILES, until=56),
    Member("description", DESCRIPTION, since=19),
    Member("key_name", {**NAME, "type": ["string", "null"]}, since=54),
    Member("user_data", {"type": ["string", "null"], "format": "base64", "maxLength": 65535}, since=57),
    Member("trusted_image_certificates", {"type": ["array", "null"]}, since=63),
)


def rebuild(minor: int) -> Schema:
    """``rebuild``."""
    return of_version(_REBUILD, minor)


def unshelve(minor: int) -> Schema:
    """``unshelve``: from 2.77 on into another zone."""
    if minor < 77:
        return {}
    return {
        "type": ["object", "null"],
        "properties": {"availability_zone": NAME},
        "required": ["availability_zone"],
        "additionalProperties": False,
    }


RESET_STATE = closed(("state",), state={"type": "string", "enum": ["active", "error"]})

VNC_CONSOLE = closed(("type",), type={"type": "string", "enum": ["novnc", "xvpvnc"]})


def remote_console(minor: int) -> Schema:
    """``POST /servers/{id}/remote-consoles``; 2.8 has added MKS."""
    protocols = ["vnc", "spice", "rdp", "serial", *(["mks"] if minor >= 8 else [])]
    types = ["novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial", *(["webmks"] if minor >= 8 else [])]
    return only(
        "remote_console",
        closed(("protocol", "type"), protocol={"type": "string", "enum": protocols}, type={"type": "string", "enum": types}),
    )


_EVENT_NAMES = (
    ("network-changed", 1),
    ("network-vif-plugged", 1),
    ("network-vif-unplugged", 1),
    ("network-vif-deleted", 1),
    ("volume-extended", 51),
    ("power-update", 76),
    ("accelerator-request-bound", 82),
)


def external_events(minor: int) -> Schema:
    """``POST /os-server-external-events``."""
    names = [name for name, since in _EVENT_NAMES if since <= minor]
    event = closed(
        ("name", "server_uuid"),
        name={"type": "string", "enum": names},
        server_uuid=UUID,
        status={"type": "string", "enum": ["failed", "completed", "in-progress"]},
        tag={"type": "string", "maxLength": 255},
    )
    return closed(("events",), events={"type": "array", "minItems": 1, "items": event})


_ACTIONS_FILTER = (
    Member("limit", NUMBER, since=58),
    Member("marker", TEXTS, since=58),
    Member("changes-since", TEXTS, since=58),
    Member("changes-before", TEXTS, since=66),
)


def instance_actions(minor: int) -> Schema:
    """The query of ``GET /servers/{id}/os-instance-actions``."""
    return of_version(_ACTIONS_FILTER, minor, is_closed=minor >= 58)
