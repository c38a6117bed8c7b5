"""Which images a host keeps, which of them are in use, and how those that are not are taken away: by age, for room, or since somebody asks.

An image is in use while it is fetched, cloned or held for a build, while a VM has it as a CD or boots a kernel of it, and while disks of
servers stand on it: without it their base would stay, and its next server would need a second one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from compute_core.model.cached_images import CachedImage, Evicted, EvictionPolicy
from compute_core.model.clock import iso
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, destroy
from compute_core.xenapi.disk_usage import Records, chain, needed_by, refs_by_uuid
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0, KeptKernel, PluginMissing
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)

KERNELS = "/boot/guest/"
"""The folder of dom0 with the kernels and ramdisks of guests."""
IDLE_S = 3600
"""A kernel that was asked for since then may belong to a VM that is about to be made; dom0 itself looks."""

IsBusy = Callable[[str], bool]
"""Whether an image, by its id, is being fetched or cloned, or held by a build."""
Doomed = tuple[CachedImage, str]
"""An image, and why it goes."""


# ---- what is here ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """The images of a host, with the refs of those that are VDIs."""

    images: tuple[CachedImage, ...]
    refs: Mapping[str, str]


async def kept_images(xapi: XenApi, place: Place, is_busy: IsBusy, now: datetime | None) -> Kept:
    """Two calls, one more where there are kernels. Kernels are left out where the plugin is not installed.

    Without ``now`` it is not known when kernels were used.
    """
    vdis = await all_of(xapi, "VDI", {"SR": place.sr})
    disks = {vdi["other_config"][marks.IMAGE]: ref for ref, vdi in vdis.items() if vdi["managed"] and marks.is_cached_image(vdi)}
    kernels = await _kernels(xapi, place, is_busy, now)
    return Kept((*_disks(vdis, disks, is_busy), *kernels), disks)


def _disks(vdis: Records, images: Mapping[str, str], is_busy: IsBusy) -> Iterator[CachedImage]:
    needing, refs = needed_by(vdis), refs_by_uuid(vdis)
    for image_id, ref in sorted(images.items()):
        links = list(chain(vdis, refs, ref))
        own = sum(vdis[link]["physical_utilisation"] for link in links if needing[link] == {ref})
        shared = sum(vdis[link]["physical_utilisation"] for link in links if needing[link] != {ref})
        standing = len(set().union(*(needing[link] for link in links)) - {ref})
        in_use = _reason(is_busy=is_busy(image_id), cds=len(vdis[ref]["VBDs"]), standing=standing)
        yield CachedImage(image_id, "disk", own, shared, vdis[ref]["other_config"].get(marks.IMAGE_USED, ""), in_use)


def _reason(*, is_busy: bool, cds: int = 0, standing: int = 0, booting: int = 0) -> str:
    """Why an image stays, "" when nothing keeps it."""
    reasons = (
        (is_busy, "a build needs it"),
        (cds > 0, f"VMs that have it as a CD: {cds}"),
        (standing > 0, f"disks that stand on it: {standing}"),
        (booting > 0, f"VMs that boot it: {booting}"),
    )
    return next((text for is_so, text in reasons if is_so), "")


async def _kernels(xapi: XenApi, place: Place, is_busy: IsBusy, now: datetime | None) -> list[CachedImage]:
    try:
        kernels: list[KeptKernel] = await Dom0(xapi, place.host).list_kernels()
    except PluginMissing:
        return []
    vms = await all_of(xapi, "VM", {"is_control_domain": "false"}) if kernels else {}
    booted = [vm[name].removeprefix(KERNELS) for vm in vms.values() for name in ("PV_kernel", "PV_ramdisk")]
    return [_kernel(kernel, booted.count(kernel.name), now, is_busy=is_busy(kernel.name)) for kernel in kernels]


def _kernel(kernel: KeptKernel, booting: int, now: datetime | None, *, is_busy: bool) -> CachedImage:
    used = "" if now is None else iso(now - timedelta(seconds=kernel.idle_s))
    return CachedImage(kernel.name, "kernel", kernel.size, 0, used, _reason(is_busy=is_busy, booting=booting))


# ---- what goes ------------------------------------------------------------------------------------------------------------------


def doomed(images: Iterable[CachedImage], policy: EvictionPolicy, now: datetime, used_bytes: int, size_bytes: int) -> list[Doomed]:
    """What goes by itself, the one used longest ago first. One of which that is not known goes last, and not by age. Pure."""
    idle = sorted((image for image in images if not image.in_use), key=lambda image: (image.used == "", image.used))
    before = iso(now - timedelta(seconds=policy.keep_s))
    going = [(image, f"not used since {image.used}") for image in idle if policy.keep_s > 0 and "" < image.used < before]
    if policy.high <= 0 or used_bytes <= policy.high * size_bytes:
        return going
    left = used_bytes - sum(image.own_bytes for image, _ in going if image.kind == "disk")
    old = {image for image, _ in going}
    for image in idle:
        if left <= policy.low * size_bytes:
            break
        if image not in old and image.kind == "disk":
            going.append((image, f"{used_bytes} of {size_bytes} bytes of the SR were in use"))
            left -= image.own_bytes
    return going


def asked(images: Iterable[CachedImage], wanted: Iterable[str] | None) -> list[Doomed]:
    """What goes since somebody asks for it: those of ``wanted`` that are not in use, None: all. Pure."""
    names = None if wanted is None else set(wanted)
    return [(image, "asked for") for image in images if not image.in_use and (names is None or image.image_id in names)]


async def evict(xapi: XenApi, place: Place, cache: ImageCache, kept: Kept, going: Iterable[Doomed]) -> list[Evicted]:
    """Take images away: a call for each disk, one for all kernels. One that a build has come to need meanwhile stays, as do those
    that cannot be destroyed: they keep no other.
    """
    gone, kernels = [], dict[str, Doomed]()
    for image, why in going:
        if cache.is_in_use(image.image_id):
            continue
        if image.kind == "kernel":
            kernels[image.image_id] = image, why
            continue
        try:
            async with cache.turn(image.image_id):
                await destroy(xapi, "VDI", kept.refs[image.image_id])
        except XenApiFailure as failure:
            log.warning("%s: image %s stays: %s", place.hostname, image.image_id, failure)
            continue
        gone.append(Evicted(image.image_id, image.kind, image.own_bytes, why))
    names: list[str] = await Dom0(xapi, place.host).forget_kernels(sorted(kernels), IDLE_S) if kernels else []
    return [*gone, *(_evicted(*kernels[name]) for name in names)]


def _evicted(image: CachedImage, why: str) -> Evicted:
    return Evicted(image.image_id, image.kind, image.own_bytes, why)


async def evict_by_policy(
    xapi: XenApi, place: Place, cache: ImageCache, policy: EvictionPolicy, now: datetime, is_busy: IsBusy
) -> list[Evicted]:  # fmt: skip
    """What is old, and what is too much: three or four calls when nothing goes."""
    kept = await kept_images(xapi, place, is_busy, now)
    record: Mapping[str, Any] = await xapi.call("SR.get_record", place.sr)
    going = doomed(kept.images, policy, now, record["physical_utilisation"], record["physical_size"])
    return await evict(xapi, place, cache, kept, going)
