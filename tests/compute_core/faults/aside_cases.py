"""Servers are rescued, rebuilt, shelved and deleted softly."""

from __future__ import annotations

from compute_core.model.requests import RebuildRequest
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import acting, after, having, with_server
from tests.compute_core.faults.scene import USER, Scene


async def _rescue(scene: Scene) -> None:
    await scene.cloud.api_cell.rescue_server(USER, await scene.uuid(), None, "secret")


async def _rebuild(scene: Scene) -> None:
    await scene.cloud.api_cell.rebuild_server(USER, await scene.uuid(), RebuildRequest(scene.image.id))


async def _shelve(scene: Scene) -> None:
    await scene.cloud.api_cell.shelve_server(USER, await scene.uuid())


async def _unshelve(scene: Scene) -> None:
    await scene.cloud.api_cell.unshelve_server(USER, await scene.uuid(), None)


PUT_ASIDE = (
    Case("rescue", _rescue, with_server, at_most=20, earlier="78"),
    Case("rescue-stopped", _rescue, having("stop"), at_most=20),
    Case("unrescue", acting("unrescue"), after(_rescue), at_most=8, earlier="25"),
    Case("destroy-rescued", Scene.delete, after(_rescue), at_most=8),
    Case("rebuild", _rebuild, with_server, at_most=26),
    Case("soft-delete", acting("soft_delete"), with_server, at_most=2, earlier="4"),
    Case("restore", acting("restore"), having("soft_delete"), at_most=2, earlier="11"),
    Case("shelve", _shelve, with_server, at_most=12),
    Case("unshelve", _unshelve, after(_shelve), at_most=18, hosts=2),
)
