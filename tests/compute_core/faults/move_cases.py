"""Servers move to another size or host, and stay there or come back."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from compute_core.images.contents import RawContent
from compute_core.model.flavors import Flavor
from fake_xapi.dom0.blocks import BLOCK_BYTES
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import acting, after, having, with_server
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.images.partitioned import make
from tests.compute_core.moves.disks import root_vdi

SWAPS = Flavor("swaps", "own.swaps", 512, 1, 1, swap_mb=64)
ROOMY = Flavor("roomy", "own.roomy", 512, 1, 1, swap_mb=128, ephemeral_gb=1)
SMALL, LARGE = Flavor("small", "own.small", 512, 1, 1), Flavor("large", "own.large", 512, 1, 2)


async def _resize(scene: Scene) -> None:
    await scene.cloud.api_cell.resize_server(ADMIN, await scene.uuid(), "2")


async def _migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.migrate_server(ADMIN, await scene.uuid(), None)


async def _live_migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.live_migrate_server(ADMIN, await scene.uuid(), None, moves_disks=None)


async def with_large_disk(scene: Scene) -> None:
    """A server is there whose root disk may be made smaller, and holds files."""
    for flavor in (LARGE, SMALL):
        await scene.cloud.api_cell.create_flavor(ADMIN, flavor)
    await scene.order(flavor_id=LARGE.id, disk_config="AUTO")
    await scene.quiet()
    xapi, vdi = root_vdi(scene, await scene.cloud.api_cell.get_server(ADMIN, await scene.uuid()))
    writer = xapi.disks.writer(vdi)
    for number, block in _blocks():
        writer.write(number * BLOCK_BYTES, block)
    writer.flush()


@cache
def _blocks() -> tuple[tuple[int, bytes], ...]:
    """What is not zeros of a disk as large as the flavor's, with one file system."""
    with tempfile.TemporaryDirectory() as folder:
        content = RawContent.of(make(Path(folder, "disk"), LARGE.root_gb << 30))
        return tuple((number, content.block(number)) for number in content.numbers())


async def with_disks(scene: Scene) -> None:
    """A server with a swap disk is there."""
    for flavor in (SWAPS, ROOMY):
        await scene.cloud.api_cell.create_flavor(ADMIN, flavor)
    await scene.order(flavor_id=SWAPS.id)


async def _more_disks(scene: Scene) -> None:
    await scene.cloud.api_cell.resize_server(ADMIN, await scene.uuid(), ROOMY.id)


async def _shrink(scene: Scene) -> None:
    await scene.cloud.api_cell.resize_server(ADMIN, await scene.uuid(), SMALL.id)


MOVES = (
    Case("resize", _resize, with_server, at_most=20, earlier="52 + 69", hosts=2),
    Case("resize-here", _resize, with_server, at_most=16, earlier="66 + 46"),
    Case("resize-in-pool", _resize, with_server, hosts=2, pool_size=2),
    Case("migrate-stopped", _migrate, having("stop"), hosts=2),
    Case("resize-confirm", acting("confirm_resize"), after(_resize), at_most=6, earlier="31", hosts=2),
    Case("resize-here-confirm", acting("confirm_resize"), after(_resize), at_most=6, earlier="31"),
    Case(
        "resize-revert",
        acting("revert_resize"),
        after(_resize),
        at_most=12,
        earlier="33 + 13",
        hosts=2,
        also=(after(_resize, acting("revert_resize"), acting("stop")),),
    ),
    Case("resize-here-revert", acting("revert_resize"), after(_resize), also=(after(_resize, acting("revert_resize"), acting("stop")),)),
    Case("migrate-by-rsync", _migrate, with_server, at_most=40, earlier="52 + 69", hosts=2, by_rsync=True, is_slow=True),
    Case("migrate-by-rsync-in-pool", _migrate, with_server, at_most=40, hosts=2, pool_size=2, by_rsync=True, is_slow=True),
    Case("resize-down", _shrink, with_large_disk, at_most=20, hosts=2, is_slow=True),
    Case("resize-down-here", _shrink, with_large_disk, at_most=20, is_slow=True),
    Case("resize-more-disks", _more_disks, with_disks, at_most=40, hosts=2, is_slow=True),
    Case("live-migrate-shared", _live_migrate, with_server, at_most=12, earlier="30", hosts=2, pool_size=2, shares_sr=True),
    Case("live-migrate", _live_migrate, with_server, at_most=12, earlier="57", hosts=2),
    Case("live-migrate-in-pool", _live_migrate, with_server, at_most=12, earlier="30", hosts=2, pool_size=2),
)
