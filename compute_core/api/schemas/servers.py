"""What may be sent to ``/servers``."""

from __future__ import annotations

from compute_core.api.schemas.types import (
    ANY,
    BOOLEAN,
    DESCRIPTION,
    DIRECTION,
    HOSTNAME,
    METADATA,
    NAME,
    NUMBER,
    TAG,
    TAGS,
    TEXTS,
    UUID,
    Member,
    Schema,
    closed,
    of_version,
    only,
    whole,
)

_NIC = closed((), uuid=UUID, port={"type": ["string", "null"], "format": "uuid"}, fixed_ip={"type": "string"}, tag=TAG)
_NICS = {"type": "array", "items": _NIC}
_NICS_OR_WORD = {"oneOf": [{**_NICS, "minItems": 1}, {"type": "string", "enum": ["none", "auto"]}]}
_ADDRESS_4 = {"type": "string", "format": "ipv4"}
_ADDRESS_6 = {"type": "string", "format": "ipv6"}
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
_HINTS = {"type": "object"}
_FILES = {"type": "array", "items": closed(("path", "contents"), path={"type": "string"}, contents={"type": "string", "format": "base64"})}
_CERTIFICATES = {"type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": True, "items": {"type": "string", "minLength": 1}}
_DISK = {
    "type": "object",
    "properties": {
        "uuid": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
        "volume_size": {"anyOf": [whole(1, 1 << 20), {"type": "null"}]},
        "device_name": {"type": ["string", "null"], "pattern": "^(/dev/)?[a-z]+[a-p]$"},
        "tag": TAG,
        "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"},
        "source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
        "destination_type": {"type": ["string", "null"], "enum": ["volume", "local", None]},
        "delete_on_termination": BOOLEAN,
    },
}

_SERVER = (
    Member("name", NAME, required_since=1),
    Member("imageRef", {"type": "string", "anyOf": [{"format": "uuid"}, {"maxLength": 0}]}),
    Member("flavorRef", {"type": ["string", "integer"], "minLength": 1}, required_since=1),
    Member("adminPass", {"type": "string"}),
    Member("metadata", METADATA),
    Member("networks", _NICS, until=36),
    Member("networks", _NICS_OR_WORD, since=37, required_since=37),
    Member("OS-DCF:diskConfig", _DISK_CONFIG),
    Member("accessIPv4", _ADDRESS_4),
    Member("accessIPv6", _ADDRESS_6),
    Member("personality", _FILES, until=56),
    Member("availability_zone", NAME),
    Member("block_device_mapping", {"type": "array", "items": {"type": "object"}}),
    Member("block_device_mapping_v2", {"type": "array", "items": _DISK}),
    Member("config_drive", BOOLEAN),
    Member("key_name", NAME),
    Member("min_count", whole(1)),
    Member("max_count", whole(1)),
    Member("return_reservation_id", BOOLEAN),
    Member("security_groups", {"type": "array", "items": only("name", {"type": "string", "minLength": 1, "maxLength": 255})}),
    Member("user_data", {"type": "string", "format": "base64", "maxLength": 65535}),
    Member("description", DESCRIPTION, since=19),
    Member("tags", TAGS, since=52),
    Member("trusted_image_certificates", _CERTIFICATES, since=63),
    Member("host", HOSTNAME, since=74),
    Member("hypervisor_hostname", HOSTNAME, since=74),
)

_CHANGES = (
    Member("name", NAME),
    Member("OS-DCF:diskConfig", _DISK_CONFIG),
    Member("accessIPv4", {"type": "string", "anyOf": [{"format": "ipv4"}, {"maxLength": 0}]}),
    Member("accessIPv6", {"type": "string", "anyOf": [{"format": "ipv6"}, {"maxLength": 0}]}),
    Member("description", DESCRIPTION, since=19),
)


def create(minor: int) -> Schema:
    """``POST /servers``."""
    hints = {"os:scheduler_hints": _HINTS, "OS-SCH-HNT:scheduler_hints": _HINTS}
    return closed(("server",), server=of_version(_SERVER, minor), **hints)


def update(minor: int) -> Schema:
    """``PUT /servers/{id}``."""
    return only("server", of_version(_CHANGES, minor))


# fmt: off
_TEXT_FILTERS = (
    "all_tenants", "auto_disk_config", "availability_zone", "access_ip_v4", "access_ip_v6", "changes-since", "config_drive",
    "created_at", "deleted", "description", "display_description", "display_name", "flavor", "host", "hostname", "image", "image_ref",
    "instance_type_id", "ip", "ip6", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by", "marker", "name", "node",
    "power_state", "progress", "project_id", "ramdisk_id", "reservation_id", "root_device_name", "soft_deleted", "sort_key", "status",
    "task_state", "tenant_id", "terminated_at", "user_id", "uuid", "vm_state",
)
# fmt: on
_FILTER = (
    *(Member(name, TEXTS) for name in _TEXT_FILTERS),
    Member("limit", NUMBER),
    Member("sort_dir", DIRECTION),
    *(Member(name, TEXTS, since=26) for name in ("tags", "tags-any", "not-tags", "not-tags-any")),
    Member("changes-before", TEXTS, since=66),
    Member("locked", TEXTS, since=73),
)

KNOWN_FILTERS = frozenset(member.name for member in _FILTER)


def listing(minor: int) -> Schema:
    """The query of ``GET /servers``; before 2.75 what it does not know is passed over."""
    return of_version(_FILTER, minor, is_closed=minor >= 75)


METADATA_BODY = only("metadata", METADATA)
META_ITEM = only("meta", {**METADATA, "minProperties": 1, "maxProperties": 1})
TAG_LIST = only("tags", TAGS)

REBOOT = closed(("type",), type={"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]})
NOTHING = ANY
"""What an action without arguments holds: null by the book, {} by some clients; nobody looks."""
CREATE_IMAGE = closed(("name",), name=NAME, metadata=METADATA)
CREATE_BACKUP = closed(
    ("name", "backup_type", "rotation"), name=NAME, backup_type={"type": "string", "maxLength": 255}, rotation=whole(0), metadata=METADATA
)
CREATE_INCREMENTAL_BACKUP = closed(("name",), name=NAME, rotation=whole(0), full=BOOLEAN, metadata=METADATA)
CONSOLE_OUTPUT = closed((), length={"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$", "minimum": -1})
