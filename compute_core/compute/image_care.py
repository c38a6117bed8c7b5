"""The images that a host keeps: listed, fetched ahead, taken away when somebody asks or as the policy says."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from compute_core.compute.host_work import HostQuery, HostWork
from compute_core.model.errors import ComputeError
from compute_core.model.images import Image
from compute_core.model.json import from_json, to_json
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.image_eviction import Kept, asked, evict, evict_by_policy, kept_images
from compute_core.xenapi.kernels import keep_kernels_ahead

log = logging.getLogger(__name__)


def _now(work: HostWork) -> datetime | None:
    clock = work.host.cache.clock
    return None if clock is None else clock.now()


async def _kept(work: HostWork) -> Kept:
    return await kept_images(work.host.xapi, work.host.place, work.is_busy, _now(work))


async def _list(work: HostWork) -> Any:
    return to_json((await _kept(work)).images)


async def _evict(work: HostWork) -> Any:
    """``images``: their ids, None for all that are not in use. What stays is told as well: see ``CachedImage.in_use``."""
    if not work.host.place.is_alone:
        log.warning("%s: images are evicted in a pool: what builds of its other hosts need is not known", work.host.settings.host)
    kept = await _kept(work)
    gone = await evict(work.host.xapi, work.host.place, work.host.cache, kept, asked(kept.images, work.arguments["images"]))
    return {"evicted": to_json(gone), "kept": to_json([image for image in kept.images if image.in_use])}


IMAGE_CARE: Mapping[str, HostQuery] = {"list_images": _list, "evict_images": _evict}


async def cache_ahead(work: HostWork, images: Sequence[Any]) -> bool:
    """Have images here before they are needed, with the kernels that they boot. One that cannot be had does not keep the others away.

    Whether all are here.
    """
    is_done = True
    for image in (from_json(each, Image) for each in images):
        host = work.host
        try:
            await host.cache.ahead(host.xapi, image)
            await keep_kernels_ahead(host.xapi, host.place, host.cache, image)
        except (XenApiFailure, Unanswered, TransferFailed, ComputeError) as problem:
            is_done = False
            log.warning("%s: image %s was not fetched: %s", host.settings.host, image.id, problem)
    return is_done


async def evict_as_told(work: HostWork) -> None:
    """A round: images go as the policy says. On an SR that other agents work on too nobody knows what their builds need."""
    host, now = work.host, _now(work)
    if now is None or not host.settings.eviction.is_on or not host.place.is_alone:
        return
    for gone in await evict_by_policy(host.xapi, host.place, host.cache, host.settings.eviction, now, work.is_busy):
        log.info("%s: image %s (%s) was taken away: %s", host.settings.host, gone.image_id, gone.kind, gone.why)
