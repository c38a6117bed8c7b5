"""What may be sent about interfaces and security groups: to the Compute API, and to the network endpoint."""

from __future__ import annotations

from compute_core.api.schemas.types import BOOLEAN, TAG, TEXTS, UUID, Member, Schema, closed, of_version, only

_ADDRESS = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_FIXED_IPS = {"type": "array", "minItems": 1, "maxItems": 1, "items": closed(("ip_address",), ip_address=_ADDRESS)}
_ATTACHMENT = (
    Member("net_id", UUID),
    Member("port_id", UUID),
    Member("fixed_ips", _FIXED_IPS),
    Member("tag", TAG, since=49),
)


def attach(minor: int) -> Schema:
    """``POST /servers/{id}/os-interface``: an empty body is a wish, too."""
    asked = of_version(_ATTACHMENT, minor)
    return {"type": "object", "properties": {"interfaceAttachment": asked}, "additionalProperties": False}


GROUP_OF_SERVER: Schema = closed(("name",), name={"type": "string", "minLength": 1, "maxLength": 255})

_TEXT = {"type": "string", "maxLength": 255}
_PROJECT = {"type": "string", "minLength": 1, "maxLength": 255}
_IDS = {"type": "array", "uniqueItems": True, "items": UUID}
_PORT_IPS = {
    "type": "array",
    "maxItems": 1,
    "items": closed((), ip_address={"type": "string", "format": "ipv4"}, subnet_id=UUID),
}
_CHANGES: dict[str, Schema] = {
    "name": _TEXT,
    "description": _TEXT,
    "admin_state_up": BOOLEAN,
    "port_security_enabled": BOOLEAN,
    "security_groups": _IDS,
}
_NO_DEVICE: dict[str, Schema] = {"device_id": {"type": "string", "maxLength": 0}, "device_owner": {"type": "string", "maxLength": 0}}
PORT: Schema = only(
    "port",
    closed(("network_id",), network_id=UUID, fixed_ips=_PORT_IPS, tenant_id=_PROJECT, project_id=_PROJECT, **_CHANGES, **_NO_DEVICE),
)
PORT_CHANGES: Schema = only("port", closed((), **_CHANGES))

GROUP: Schema = only("security_group", closed(("name",), name=_TEXT, description=_TEXT, tenant_id=_PROJECT, project_id=_PROJECT))
GROUP_CHANGES: Schema = only("security_group", closed((), name=_TEXT, description=_TEXT))

_NUMBER = {"type": ["integer", "string", "null"], "pattern": "^[0-9]{1,5}$", "minimum": 0, "maximum": 65535}
_RULE = {
    "security_group_id": UUID,
    "direction": {"enum": ["ingress", "egress"]},
    "ethertype": {"enum": ["IPv4", "IPv6", "ipv4", "ipv6", None]},
    "protocol": {"type": ["string", "integer", "null"], "maxLength": 32, "minimum": -1, "maximum": 255},
    "port_range_min": _NUMBER,
    "port_range_max": _NUMBER,
    "remote_ip_prefix": {"type": ["string", "null"], "maxLength": 64},
    "remote_group_id": {"type": ["string", "null"], "format": "uuid"},
    "description": {"type": ["string", "null"], "maxLength": 255},
    "tenant_id": _PROJECT,
    "project_id": _PROJECT,
}
RULE: Schema = only(
    "security_group_rule",
    {"type": "object", "properties": _RULE, "required": ["security_group_id", "direction"], "additionalProperties": False},
)

LISTING: Schema = {"type": "object", "additionalProperties": TEXTS}
