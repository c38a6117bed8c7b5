"""What may be sent about volumes: to the Compute API's attachments, and to the volume endpoint."""

from __future__ import annotations

from compute_core.api.schemas.types import BOOLEAN, NUMBER, TAG, TEXTS, UUID, Member, Schema, closed, of_version, only, whole

_DEVICE = {"type": ["string", "null"], "pattern": "^(/dev/)?[a-z]+[a-p]$"}
_ATTACHMENT = (
    Member("volumeId", UUID, required_since=1),
    Member("device", _DEVICE),
    Member("tag", TAG, since=49),
    Member("delete_on_termination", BOOLEAN, since=79),
)
_CHANGED = (
    Member("volumeId", UUID, required_since=1),
    Member("device", _DEVICE),
    Member("tag", TAG),
    Member("delete_on_termination", BOOLEAN),
    Member("serverId", UUID),
    Member("id", UUID),
)


def attach(minor: int) -> Schema:
    """``POST /servers/{id}/os-volume_attachments``."""
    return only("volumeAttachment", of_version(_ATTACHMENT, minor))


def change(minor: int) -> Schema:
    """``PUT /servers/{id}/os-volume_attachments/{id}``."""
    return only("volumeAttachment", of_version(_CHANGED, minor))


ATTACHMENTS: Schema = {"type": "object", "properties": {"limit": NUMBER, "offset": NUMBER}}

_TEXT = {"type": ["string", "null"], "maxLength": 255}
_METADATA = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 255}}
_SIZE = whole(1, 1 << 20)
_NULL = {"type": "null"}
_NEW = {
    "size": _SIZE,
    "name": _TEXT,
    "description": _TEXT,
    "metadata": {"anyOf": [_METADATA, _NULL]},
    "availability_zone": _TEXT,
    "multiattach": BOOLEAN,
    "volume_type": _TEXT,
    "snapshot_id": {"anyOf": [UUID, _NULL]},
    **dict.fromkeys(("imageRef", "source_volid", "backup_id", "consistencygroup_id", "group_id", "cgsnapshot_id"), _NULL),
    **dict.fromkeys(("user_id", "project_id", "status", "attach_status", "source_replica"), _TEXT),
}
VOLUME: Schema = {
    "type": "object",
    "properties": {"volume": {"type": "object", "properties": _NEW, "required": ["size"]}},
    "required": ["volume"],
}
SNAPSHOT: Schema = only(
    "snapshot",
    closed(
        ("volume_id",),
        volume_id=UUID,
        name=_TEXT,
        description=_TEXT,
        force=BOOLEAN,
        metadata={"anyOf": [_METADATA, _NULL]},
    ),
)
SNAPSHOTS: Schema = {
    "type": "object",
    "properties": {"limit": NUMBER, "name": TEXTS, "status": TEXTS, "volume_id": TEXTS, "all_tenants": TEXTS},
}
UPDATE: Schema = only("volume", closed((), name=_TEXT, description=_TEXT, metadata=_METADATA))
METADATA: Schema = only("metadata", _METADATA)
EXTEND: Schema = only("os-extend", closed(("new_size",), new_size=_SIZE))
BOOTABLE: Schema = only("os-set_bootable", closed(("bootable",), bootable=BOOLEAN))
DETACHING: Schema = only("os-begin_detaching", {})
STAYING: Schema = only("os-roll_detaching", {})
MIGRATED: Schema = only("os-migrate_volume_completion", closed(("new_volume",), new_volume=UUID, error=BOOLEAN))
ACTION: Schema = {"anyOf": [EXTEND, BOOTABLE, DETACHING, STAYING, MIGRATED]}
_CONNECTOR = {"type": "object", "properties": {"host": {"type": "string"}}, "required": ["host"]}
NEW_ATTACHMENT: Schema = only(
    "attachment",
    closed(
        ("volume_uuid", "instance_uuid"),
        volume_uuid=UUID,
        instance_uuid=UUID,
        connector={"anyOf": [_CONNECTOR, _NULL]},
        mode=_TEXT,
    ),
)
CONNECTED: Schema = only("attachment", closed(("connector",), connector=_CONNECTOR))
COMPLETED: Schema = only("os-complete", {})
VOLUMES: Schema = {"type": "object", "properties": {"limit": NUMBER, "name": TEXTS, "status": TEXTS, "all_tenants": TEXTS}}
