"""Servers from images of other formats, and with further disks, that are put through faults."""

from __future__ import annotations

import tempfile
from pathlib import Path

from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from tests.compute_core.dom0.vhds import archived, chain, numbered
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.images.partitioned import make
from tests.compute_core.rig import in_pieces

DISKS = Flavor("disks", "m1.disks", 512, 1, 1, ephemeral_gb=1, swap_mb=64)


async def _image(scene: Scene, name: str, content: bytes, disk_format: str, container: str) -> None:
    image = await scene.cloud.images.create(name, "p", disk_format=disk_format, container_format=container)
    await scene.cloud.images.upload(image.id, in_pieces(content))


async def _with_chain(scene: Scene) -> None:
    """An image is there that is a tar of a chain."""
    await _image(scene, "chain", archived(numbered(chain())), "vhd", "ovf")


async def _with_medium(scene: Scene) -> None:
    """An image is there that is a medium."""
    await _image(scene, "medium", b"CD001" * 1000, "iso", "bare")


async def _with_flavor(scene: Scene) -> None:
    """A flavor is there whose servers have all disks; the host has the image."""
    await scene.cloud.api_cell.create_flavor(ADMIN, DISKS)
    await scene.order("first")
    await scene.quiet()
    await scene.delete("first")


async def _with_partition(scene: Scene) -> None:
    """An image is there of one partition with a file system, smaller than the flavor's root."""
    with tempfile.TemporaryDirectory() as folder:
        content = make(Path(folder, "disk"), 24 << 20).read_bytes()
    await _image(scene, "partition", content, "raw", "bare")


async def _named(scene: Scene, name: str) -> Image:
    (found,) = [image for image in await scene.cloud.images.list() if image.name == name]
    return found


async def _order_chain(scene: Scene) -> None:
    await scene.order(image_ref=(await _named(scene, "chain")).id)


async def _order_medium(scene: Scene) -> None:
    await scene.order(image_ref=(await _named(scene, "medium")).id)


async def _order_disks(scene: Scene) -> None:
    await scene.order(flavor_id=DISKS.id, has_config_drive=True, user_data="IyEvYmluL3No")


async def _order_fitted(scene: Scene) -> None:
    await scene.order(image_ref=(await _named(scene, "partition")).id, disk_config="AUTO")


SPAWNS = (
    Case("spawn-chain", _order_chain, _with_chain, at_most=18, earlier="92"),
    Case("spawn-medium", _order_medium, _with_medium, at_most=18),
    Case("spawn-cached-all-disks", _order_disks, _with_flavor, at_most=33, earlier="106"),
    Case("spawn-fitted", _order_fitted, _with_partition, at_most=25),
)
