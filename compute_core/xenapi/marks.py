"""The marks by which the core knows its own objects again: keys of ``other_config`` and names. One place, since they outlive processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIX = "inova-"
INSTANCE = "inova-instance-uuid"
"""On VMs and their VDIs: the server that they belong to."""
DISK = "inova-disk"
"""On VDIs: which of the server's disks it is (``root``, ``swap``, ``config``, ``ephemeral0``, ``rescue``), or ``snapshot``."""
IMAGE = "inova-image-id"
"""On VDIs: the image that they hold; on VMs: the one that they were built from."""
IMAGE_VDI = "inova-image-vdi"
"""On cached images: their own uuid. Absent while they are being filled, and another's on a copy that nobody has renamed yet."""
IMAGE_USED = "inova-image-used"
"""On cached images: the date at which they were used last, as far as it was noted."""
IMPORTED_FOR = "inova-imported-for"
"""On cached images: the server for which they were fetched."""
CELL = "inova-cell"
"""On VMs: the cell that had them built."""
MOVE = "inova-firstgen-move"
"""On VMs and VDIs that come from a host of the first generation: the move that makes them."""
FORMER = "inova-former-of"
"""On VMs that were set aside when their server was moved or resized, instead of INSTANCE: the server."""
MIGRATION = "inova-migration"
"""On VMs and VDIs that came from another host, or were made for another size: the migration that brought them."""
BERTH = "inova-berth"
"""On VDIs that wait for a disk of another host: its number in the VM."""
RESCUE = "inova-rescue-of"
"""On VMs that stand in for a server while it is rescued, instead of INSTANCE: the server."""
VOLUME = "inova-volume-id"
"""On VBDs: the volume that they attach."""
AGENT = "inova-guest-agent"
"""On VMs: what the image says of the agent in its guest (see `guest_agent_rules`)."""
NOTE = "inova-note"
"""On VMs: what their operator should know of how they were built."""
BACKUP = "inova-backup"
"""On snapshots of a server's disk that stay: the image of the point of its backups that they are."""
VIF_ID = "inova-vif-id"
"""On VIFs: the port of the network service."""


def image_label(image_id: str) -> str:
    """The name_label of a cached image."""
    return f"image {image_id}"


_IMPORT = "inova import of image "


def import_label(image_id: str, instance_uuid: str) -> str:
    """The name_label of the task of an import."""
    return f"{_IMPORT}{image_id} for {instance_uuid}"


def imported_image(label: str) -> str:
    """The image whose import a task is, by its name_label; "" for other tasks."""
    return label.removeprefix(_IMPORT).partition(" ")[0] if label.startswith(_IMPORT) else ""


_TRANSFER = "inova transfer "


def transfer_label(migration_uuid: str, instance_uuid: str, userdevice: str) -> str:
    """The name_label of the task of a disk that comes from another host."""
    return f"{_TRANSFER}{migration_uuid} of {instance_uuid} disk {userdevice}"


def transfer_of(label: str) -> tuple[str, str]:
    """The migration and the server that such a task is for, by its name_label; "" twice for other tasks."""
    words = label.removeprefix(_TRANSFER).split() if label.startswith(_TRANSFER) else []
    return (words[0], words[2]) if len(words) > 2 else ("", "")


def former_of(record: Mapping[str, Any]) -> str:
    """The server that a VM was set aside for, "" for every other VM."""
    uuid: str = record["other_config"].get(FORMER, "")
    return uuid


def rescue_label(uuid: str) -> str:
    """The name_label of a server's rescue VM, and of its disk."""
    return f"instance-{uuid}-rescue"


def rescue_of(record: Mapping[str, Any]) -> str:
    """The server that a VM stands in for, "" for every other VM."""
    uuid: str = record["other_config"].get(RESCUE, "")
    return uuid


def instance_of(record: Mapping[str, Any]) -> str:
    """The server that a VM or VDI belongs to, "" for what is not ours."""
    uuid: str = record["other_config"].get(INSTANCE, "")
    return uuid


def volume_of(vbd: Mapping[str, Any]) -> str:
    """The volume that a VBD attaches, "" for every other disk."""
    volume: str = vbd["other_config"].get(VOLUME, "")
    return volume


def is_cached_image(vdi: Mapping[str, Any]) -> bool:
    """Whether a VDI is a whole image, ready to be cloned."""
    uuid: str = vdi["uuid"]
    return bool(vdi["other_config"].get(IMAGE_VDI) == uuid)


def is_marked(record: Mapping[str, Any]) -> bool:
    """Whether a VM or VDI bears any mark of ours."""
    return any(key.startswith(_PREFIX) for key in record["other_config"])
