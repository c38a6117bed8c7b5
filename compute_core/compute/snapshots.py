"""Operations that make images of servers. An image that does not come to be filled is forgotten, whatever ended its making."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from compute_core.compute.work import Ending, Operation, Work
from compute_core.images.port import ImageFilters, ImageStore
from compute_core.model.errors import ComputeError, NotFound
from compute_core.xenapi.snapshot import snapshot
from compute_core.xenapi.undo import Undo

BROKEN_OFF = "the snapshot was broken off when the agent of {host} ended"


async def _snapshot(work: Work) -> Ending:
    """Fill the queued image ``image_id`` from the server's root disk."""
    host, image_id = work.host, work.arguments["image_id"]
    async with Undo(f"make image {image_id}") as undo:
        undo.add("forget the image", lambda: _forget(host.images, image_id))
        await snapshot(host.xapi, work.vm, image_id, host.images)
    return Ending()


async def _give_up(work: Work) -> Ending:
    """Which image it was to be is known no more; but a server has one snapshot under way at a time."""
    queued = ImageFilters(statuses=("queued",), properties={"image_type": "snapshot", "instance_uuid": work.instance.uuid})
    for image in await work.host.images.list(queued):
        await _forget(work.host.images, image.id)
    raise ComputeError(BROKEN_OFF.format(host=work.host.settings.host))


async def _forget(images: ImageStore, image_id: str) -> None:
    """One that is whole stays."""
    with suppress(NotFound):
        if (await images.get(image_id)).status != "active":
            await images.delete(image_id)


SNAPSHOTS: Mapping[str, Operation] = {
    "snapshot": _snapshot,
}

SNAPSHOTS_RESUMES: Mapping[str, Operation] = {
    "snapshot": _give_up,
}
