"""Kernel and ramdisk of a server whose image has none in it: images of their own, fetched into VDIs of the SR and kept as files of dom0."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from compute_core.model.errors import BuildFailed
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi.boot import boot_mode, kernels_of
from compute_core.xenapi.image_cache import KERNELS, Disk, ImageCache
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0, PluginRefusal
from compute_core.xenapi.session import XenApi

MOST_BYTES = 128 << 20


async def keep_kernels(xapi: XenApi, place: Place, cache: ImageCache, instance: Instance, image: Image) -> None:
    """Have the image's kernel and ramdisk in dom0: two calls for each and one for both, once they are cached. BuildFailed, NotFound."""
    await _keep(xapi, place, cache, image, lambda kernel: cache.kept(xapi, instance, kernel))


async def keep_kernels_ahead(xapi: XenApi, place: Place, cache: ImageCache, image: Image) -> None:
    """As ``keep_kernels``, for servers that are yet to come."""
    await _keep(xapi, place, cache, image, lambda kernel: cache.ahead(xapi, kernel))


async def _keep(
    xapi: XenApi, place: Place, cache: ImageCache, image: Image, kept: Callable[[Image], Awaitable[Disk]]
) -> None:  # fmt: skip
    wanted = [name for name in kernels_of(image) if name] if boot_mode(image) != "hvm" else []
    if not wanted:
        return
    sr = await xapi.call("SR.get_uuid", place.sr)
    for name in wanted:
        kernel = await cache.images.get(name)
        size_bytes = _size_of(kernel)
        disk = await kept(kernel)
        try:
            await Dom0(xapi, place.host).keep_kernel(sr, disk.uuid, kernel.id, size_bytes, kernel.checksum_md5 or "")
        except PluginRefusal as refusal:
            raise BuildFailed(f"{place.hostname} has not kept kernel {name}: {refusal}", is_retryable=True) from refusal


def _size_of(kernel: Image) -> int:
    if kernel.disk_format not in KERNELS or kernel.status != "active" or not 0 < (kernel.size_bytes or 0) <= MOST_BYTES:
        said = f"Image {kernel.id} is {kernel.disk_format}, {kernel.status}, of {kernel.size_bytes} bytes"
        raise BuildFailed(f"{said}: no kernel or ramdisk of {MOST_BYTES} bytes at most.", is_retryable=False)
    return kernel.size_bytes or 0
