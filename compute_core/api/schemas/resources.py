"""What may be sent to the Compute API's other resources: flavors, key pairs, services, zones."""

from __future__ import annotations

from compute_core.api.schemas.types import (
    BOOLEAN,
    DIRECTION,
    NAME,
    NUMBER,
    TEXTS,
    Member,
    Schema,
    closed,
    of_version,
    only,
    whole,
)

_SPEC_NAME = "^[a-zA-Z0-9-_:. ]{1,255}$"
_SPEC = {"type": ["string", "number"], "maxLength": 255}

_FLAVOR = (
    Member("name", NAME, required_since=1),
    Member("id", {"type": ["string", "number", "null"], "minLength": 1, "maxLength": 255, "pattern": "^(?! )[a-zA-Z0-9. _-]+(?<! )$"}),
    Member("ram", whole(1), required_since=1),
    Member("vcpus", whole(1), required_since=1),
    Member("disk", whole(0), required_since=1),
    Member("OS-FLV-EXT-DATA:ephemeral", whole(0)),
    Member("swap", whole(0)),
    Member("rxtx_factor", {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "exclusiveMinimum": 0, "maximum": 3.4e38}),
    Member("os-flavor-access:is_public", BOOLEAN),
    Member("description", {"type": ["string", "null"], "maxLength": 65535}, since=55),
)


def flavor(minor: int) -> Schema:
    """``POST /flavors``."""
    return only("flavor", of_version(_FLAVOR, minor))


EXTRA_SPECS = only("extra_specs", {"type": "object", "patternProperties": {_SPEC_NAME: _SPEC}, "additionalProperties": False})
EXTRA_SPEC = {
    "type": "object",
    "patternProperties": {_SPEC_NAME: _SPEC},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}

_FLAVOR_FILTER = (
    Member("limit", NUMBER),
    Member("marker", TEXTS),
    Member("is_public", TEXTS),
    Member("minRam", TEXTS),
    Member("minDisk", TEXTS),
    Member("sort_key", TEXTS),
    Member("sort_dir", DIRECTION),
)


def flavors(minor: int) -> Schema:
    """The query of ``GET /flavors``."""
    return of_version(_FLAVOR_FILTER, minor, is_closed=minor >= 75)


_KEYPAIR = (
    Member("name", {**NAME, "pattern": "^[a-zA-Z0-9 _-]+$"}, required_since=1),
    Member("public_key", {"type": "string", "minLength": 1}),
    Member("type", {"type": "string", "enum": ["ssh", "x509"]}, since=2),
    Member("user_id", {"type": "string", "minLength": 1, "maxLength": 255}, since=10),
)


def keypair(minor: int) -> Schema:
    """``POST /os-keypairs``."""
    return only("keypair", of_version(_KEYPAIR, minor))


_KEYPAIR_FILTER = (Member("user_id", TEXTS, since=10), Member("limit", NUMBER, since=35), Member("marker", TEXTS, since=35))


def keypairs(minor: int) -> Schema:
    """The query of ``GET /os-keypairs``."""
    return of_version(_KEYPAIR_FILTER, minor, is_closed=minor >= 75)


SERVICE_BY_NAME = closed(
    ("host", "binary"),
    host={"type": "string", "minLength": 1},
    binary={"type": "string", "minLength": 1},
    disabled_reason={"type": "string", "minLength": 1, "maxLength": 255},
    forced_down=BOOLEAN,
)
SERVICE = {
    **closed(
        (),
        status={"type": "string", "enum": ["enabled", "disabled"]},
        disabled_reason={"type": "string", "minLength": 1, "maxLength": 255},
        forced_down=BOOLEAN,
    ),
    "minProperties": 1,
}
SERVICES = closed((), host=TEXTS, binary=TEXTS)

_HYPERVISOR_FILTER = (
    Member("limit", NUMBER, since=33),
    Member("marker", TEXTS, since=33),
    Member("hypervisor_hostname_pattern", TEXTS, since=53),
    Member("with_servers", TEXTS, since=53),
)


def hypervisors(minor: int) -> Schema:
    """The query of ``GET /os-hypervisors``."""
    return of_version(_HYPERVISOR_FILTER, minor, is_closed=minor >= 53)
