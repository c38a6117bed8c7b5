"""Operations that make images of servers. An image that does not come to be filled is forgotten, whatever ended its making."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from compute_core.compute.work import Ending, Operation, Work
from compute_core.images.port import ImageFilters, ImageStore
from compute_core.model.errors import ComputeError, NotFound
from compute_core.model.images import Image
from compute_core.xenapi.snapshot import remove_quiesced, snapshot
from compute_core.xenapi.undo import Undo

BROKEN_OFF = "the snapshot was broken off when the agent of {host} ended"


async def _snapshot(work: Work) -> Ending:
    """Fill the queued image ``image_id`` from the server's root disk; one that is filled already is left as it is."""
    host, image_id = work.host, work.arguments["image_id"]
    if await is_filled(work, image_id):
        return Ending()
    async with Undo(f"make image {image_id}") as undo:
        undo.add("forget the image", lambda: forget(host.images, image_id))
        await snapshot(host.xapi, work.vm, image_id, host.images, host.place.sr, teller(work))
    return Ending()


async def is_filled(work: Work, image_id: str) -> bool:
    """Whether a former life of the agent has come so far. NotFound."""
    return (await work.host.images.get(image_id)).status == "active"


def teller(work: Work) -> Callable[[int], Awaitable[None]]:
    """Lets the cell know how much of an image has been sent."""
    return lambda percent: work.host.peers.tell_image_progress(work.instance, percent)


async def _give_up(work: Work) -> Ending:
    """Which image it was to be is known no more; but a server has one snapshot under way at a time."""
    await forget_queued(work, "snapshot")
    raise broken_off(work)


async def forget_queued(work: Work, image_type: str) -> None:
    """Forget what is not filled of a server's images of one type, and what is left of the snapshot of a guest that was at rest."""
    for image in await images_of(work, image_type, "queued"):
        await forget(work.host.images, image.id)
    await remove_quiesced(work.host.xapi, work.vm)


def broken_off(work: Work) -> ComputeError:
    """Why it has failed."""
    return ComputeError(BROKEN_OFF.format(host=work.host.settings.host))


async def images_of(work: Work, image_type: str, status: str, **properties: str) -> tuple[Image, ...]:
    """The server's images of one type, in one status."""
    wanted = {"image_type": image_type, "instance_uuid": work.instance.uuid, **properties}
    return await work.host.images.list(ImageFilters(statuses=(status,), properties=wanted))


async def forget(images: ImageStore, image_id: str) -> None:
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
