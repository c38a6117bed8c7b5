"""Servers move to another size or host, and stay there or come back."""

from __future__ import annotations

from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import acting, after, having, with_server
from tests.compute_core.faults.scene import ADMIN, Scene


async def _resize(scene: Scene) -> None:
    await scene.cloud.api_cell.resize_server(ADMIN, await scene.uuid(), "2")


async def _migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.migrate_server(ADMIN, await scene.uuid(), None)


async def _live_migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.live_migrate_server(ADMIN, await scene.uuid(), None, moves_disks=None)


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
    Case("live-migrate", _live_migrate, with_server, at_most=12, earlier="57", hosts=2),
    Case("live-migrate-in-pool", _live_migrate, with_server, at_most=12, earlier="30", hosts=2, pool_size=2),
)
