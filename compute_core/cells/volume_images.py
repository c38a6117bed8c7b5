"""Images of servers that boot from volumes: without bytes, they say of which snapshots the volumes are to be made, as Nova writes it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from compute_core.images.port import ImageStore
from compute_core.model.errors import ComputeError, Conflict, Invalid
from compute_core.model.images import Image
from compute_core.model.instances import PAUSED, RUNNING, SUSPENDED, Instance
from compute_core.model.requests import RequestContext, ServerRequest
from compute_core.model.volumes import BlockDevice, NewDisk, Snapshot
from compute_core.volumes.port import Volumes

MAPPING = "block_device_mapping"
BESIDE = frozenset({MAPPING, "bdm_v2", "root_device_name"})
"""The properties that such an image has for it."""
HELD = frozenset({RUNNING, PAUSED, SUSPENDED})


async def image_of_volumes(
    volumes: Volumes, images: ImageStore, context: RequestContext, instance: Instance, name: str, properties: Mapping[str, str]
) -> str:  # fmt: skip
    """The id of the image; its snapshots may still be under way. Conflict: a guest holds what cannot be copied from it. NoRoom."""
    if instance.power_state in HELD and not volumes.copies_what_is_held:
        raise Conflict(f"Instance {instance.uuid} holds its volumes, of which no snapshot can be made now. Cure: stop it first.")
    made: list[Snapshot] = []
    try:
        for device in instance.block_devices:  # one by one: what was made before one fails is taken back
            made.append(await volumes.snapshot(device.volume_id, context.user_id, forces=True, name=f"snapshot for {name}"))  # noqa: PERF401
        told = json.dumps([_told(device, snapshot) for device, snapshot in zip(instance.block_devices, made, strict=True)])
        known = {**properties, MAPPING: told, "bdm_v2": "True", "root_device_name": instance.root_device_name}
        image = await images.create(name, context.project_id, disk_format="raw", container_format="bare", properties=known)
        return (await images.upload(image.id, _nothing())).id
    except ComputeError:
        for snapshot in made:
            with suppress(ComputeError):
                await volumes.delete_snapshot(snapshot.id)
        raise


def _told(device: BlockDevice, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": snapshot.id,
        "volume_size": snapshot.size_gb,
        "boot_index": device.boot_index,
        "device_name": device.device,
        "device_type": "disk",
        "delete_on_termination": device.deletes_volume,
        "tag": device.tag,
    }


async def _nothing() -> AsyncIterator[bytes]:
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


def unfolded(request: ServerRequest, image: Image) -> tuple[ServerRequest, Image]:
    """The request with the disks that its image names, and what is left of that image: no bytes. Invalid: what it names cannot be read."""
    if MAPPING not in image.properties:
        return request, image
    disks = _disks(str(image.properties[MAPPING]))
    left = {name: value for name, value in image.properties.items() if name not in BESIDE}
    return replace(request, image_ref="", disks=(*disks, *request.disks)), replace(image, id="", properties=left)


def _disks(text: str) -> Sequence[NewDisk]:
    try:
        return [_disk(told) for told in json.loads(text) if told.get("snapshot_id")]
    except (ValueError, AttributeError, TypeError) as problem:
        raise Invalid(f"Block Device Mapping is Invalid: the image says {text!r}.") from problem


def _disk(told: Mapping[str, Any]) -> NewDisk:
    index, device = told.get("boot_index"), told.get("device_name")
    is_root = index == 0
    return NewDisk(
        None,
        int(told.get("volume_size") or 0),
        index,
        None if is_root else device,
        bool(told.get("delete_on_termination")),
        told.get("tag"),
        str(told["snapshot_id"]),
    )
