"""The marks by which the core knows its own objects again: keys of ``other_config`` and names. One place, since they outlive processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INSTANCE = "inova-instance-uuid"
"""On VMs and their VDIs: the server that they belong to."""
DISK = "inova-disk"
"""On VDIs: which of the server's disks it is (``root``), or ``snapshot``."""
IMAGE = "inova-image-id"
"""On VDIs: the image that they hold; on VMs: the one that they were built from."""
IMAGE_VDI = "inova-image-vdi"
"""On cached images: their own uuid. Absent while they are being filled, and another's on a copy that nobody has renamed yet."""
IMPORTED_FOR = "inova-imported-for"
"""On cached images: the server for which they were fetched."""
CELL = "inova-cell"
"""On VMs: the cell that had them built."""
MOVE = "inova-firstgen-move"
"""On VMs and VDIs that come from a host of the first generation: the move that makes them."""
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


def instance_of(record: Mapping[str, Any]) -> str:
    """The server that a VM or VDI belongs to, "" for what is not ours."""
    uuid: str = record["other_config"].get(INSTANCE, "")
    return uuid


def is_cached_image(vdi: Mapping[str, Any]) -> bool:
    """Whether a VDI is a whole image, ready to be cloned."""
    uuid: str = vdi["uuid"]
    return bool(vdi["other_config"].get(IMAGE_VDI) == uuid)
