"""``block_device_mapping_v2`` of ``POST /servers``: the image to boot from, and the volumes that a server is to be built with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.texts import is_true
from compute_core.model.errors import Invalid
from compute_core.model.volumes import NewDisk

Body = Mapping[str, Any]

_INVALID = "Block Device Mapping is Invalid: "
_NOT_HERE: Mapping[tuple[str, str], str] = {
    ("image", "volume"): "volumes are not made from images here; boot from the image on a local disk, or from a volume that is there.",
    ("blank", "local"): "ephemeral and swap disks are the flavor's.",
}


def image_and_disks(asked: Body) -> tuple[str, tuple[NewDisk, ...]]:
    """The image to boot from, "" for none, and the volumes. Invalid for what contradicts itself, or is not to be had."""
    image_ref, disks = str(asked.get("imageRef") or ""), list[NewDisk]()
    for mapping in asked.get("block_device_mapping_v2", ()):
        disk = _disk(mapping, image_ref)
        disks += [] if disk is None else [disk]
    boots = sum(disk.boot_index == 0 for disk in disks)
    if boots > 1 or (boots and image_ref):
        raise Invalid(f"{_INVALID}Boot sequence for the instance and image/block device mapping combination is not valid.")
    if not image_ref and not boots:
        raise Invalid("Invalid imageRef provided.")
    return image_ref, tuple(disks)


def _disk(mapping: Body, image_ref: str) -> NewDisk | None:
    """A volume; None for what says nothing but the same once more: that image, on a local disk."""
    source = str(mapping.get("source_type", "volume"))
    kind = source, str(mapping.get("destination_type") or ("local" if source in {"image", "blank"} else "volume"))
    if kind in _NOT_HERE:
        raise Invalid(_INVALID + _NOT_HERE[kind])
    index = _number(mapping.get("boot_index"))
    if source == "image":
        if index != 0 or mapping.get("uuid") != image_ref:
            raise Invalid(f"{_INVALID}the image of the boot disk is not imageRef.")
        return None
    size_gb = int(mapping.get("volume_size") or 0)
    if source == "blank" and not size_gb:
        raise Invalid(f"{_INVALID}a blank volume needs a volume_size.")
    if source == "volume" and not mapping.get("uuid"):
        raise Invalid(f"{_INVALID}a volume needs a uuid.")
    if source == "snapshot" and not mapping.get("uuid"):
        raise Invalid(f"{_INVALID}a snapshot needs a uuid.")
    return NewDisk(
        volume_id=str(mapping["uuid"]) if source == "volume" else None,
        size_gb=size_gb,
        boot_index=index,
        device=mapping.get("device_name"),
        deletes_volume=is_true(mapping.get("delete_on_termination", False)),
        tag=mapping.get("tag"),
        snapshot_id=str(mapping["uuid"]) if source == "snapshot" else None,
    )


def _number(index: Any) -> int | None:
    return None if index is None or int(index) < 0 else int(index)
