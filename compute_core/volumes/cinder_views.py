"""What Cinder writes and reads, in the terms of the core. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from compute_core.model.errors import Conflict
from compute_core.model.volumes import Attachment, AttachmentStatus, Connection, Snapshot, Target, Volume, VolumeStatus
from compute_core.volumes.port import Connector

Json = Mapping[str, Any]

STATUSES: Mapping[str, VolumeStatus] = {**{status: status for status in get_args(VolumeStatus)}, "downloading": "reserved"}
ATTACHMENTS: Mapping[str, AttachmentStatus] = {status: status for status in get_args(AttachmentStatus)}
PORT = 3260


def volume_of(told: Json) -> Volume:
    """A volume; a status that the core has no word for is an error: nobody gets it."""
    return Volume(
        id=told["id"],
        project_id=told.get("os-vol-tenant-attr:tenant_id") or "",
        user_id=told.get("user_id") or "",
        size_gb=int(told["size"]),
        created_at=told.get("created_at") or "",
        updated_at=told.get("updated_at") or told.get("created_at") or "",
        status=STATUSES.get(told["status"], "error"),
        name=told.get("name") or "",
        description=told.get("description"),
        metadata={**told.get("volume_image_metadata", {}), **told.get("metadata", {})},
        is_multiattach=bool(told.get("multiattach")),
        is_bootable=str(told.get("bootable")).lower() == "true",
        attachments=tuple(_listed(each) for each in told.get("attachments", ())),
    )


def _listed(told: Json) -> Attachment:
    """Among those of a volume Cinder lists what is attached, or is being attached."""
    return Attachment(
        told["attachment_id"], told["volume_id"], told["server_id"] or "", "attached", told.get("device") or "", told.get("host_name") or ""
    )  # fmt: skip


def snapshot_of(told: Json) -> Snapshot:
    """A snapshot."""
    return Snapshot(
        id=told["id"],
        volume_id=told["volume_id"],
        project_id=told.get("os-extended-snapshot-attributes:project_id") or "",
        user_id=told.get("user_id") or "",
        size_gb=int(told["size"]),
        created_at=told.get("created_at") or "",
        updated_at=told.get("updated_at") or told.get("created_at") or "",
        status=STATUSES.get(told["status"], "error"),
        name=told.get("name") or "",
        description=told.get("description"),
        metadata=told.get("metadata") or {},
    )


def attachment_of(told: Json) -> Attachment:
    """An attachment by itself."""
    return Attachment(told["id"], told["volume_id"], told["instance"] or "", ATTACHMENTS.get(told["status"], "reserved"))


def is_connected(told: Json) -> bool:
    """Whether a host has been told of it how to reach the volume."""
    return bool((told.get("connection_info") or {}).get("driver_volume_type"))


def connector_of(connector: Connector, device: str) -> dict[str, Any]:
    """A host, as Cinder and its drivers want to know it."""
    return {
        "host": connector.host,
        "ip": connector.address,
        "initiator": connector.initiator,
        "multipath": False,
        "platform": "x86_64",
        "os_type": "xen",
        "mountpoint": device,
    }


def connection_of(told: Json, *, is_shared: bool) -> Connection:
    """The way to a volume. Conflict: none that a XenServer host knows, which is iSCSI.

    Cinder says the members beside ``driver_volume_type`` flat where it answers to attachments, and in ``data`` elsewhere.
    """
    kind, found = told.get("driver_volume_type"), {**told, **told.get("data", {})}
    if kind != "iscsi" or not found.get("target_iqn"):
        raise Conflict(f"A volume that is reached by {kind or 'nothing'} cannot be attached here: XenServer hosts reach those of iSCSI.")
    address, _, port = str(found["target_portal"]).rpartition(":")
    asks_login = str(found.get("auth_method") or "").upper() == "CHAP"
    target = Target(address.strip("[]"), found["target_iqn"], int(found.get("target_lun") or 0), int(port or PORT), asks_login)
    user, password = (found["auth_username"], found["auth_password"]) if asks_login else ("", "")
    return Connection(target, user, password, is_shared=is_shared)
