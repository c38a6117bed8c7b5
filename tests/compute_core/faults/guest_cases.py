"""Guests with an agent are told things: when they boot, and when somebody asks.

The hosts have our plugin in their dom0; which way disks go between hosts does not matter here.
"""

from __future__ import annotations

from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import with_server
from tests.compute_core.faults.scene import ADMIN, Scene


async def _with_agents(scene: Scene) -> None:
    """The guests of the image have an agent, and the host has the image."""
    await scene.cloud.images.update(scene.image.id, properties={"xenapi_use_agent": "true"})
    await scene.order("first")
    await scene.quiet()
    await scene.delete("first")


async def _change_password(scene: Scene) -> None:
    await scene.cloud.api_cell.change_password(ADMIN, await scene.uuid(), "another")


async def _reset_network(scene: Scene) -> None:
    await scene.cloud.api_cell.command(ADMIN, await scene.uuid(), "reset_network")


GUESTS = (
    Case("spawn-with-agent", Scene.order, _with_agents, at_most=15 + 5, earlier="84", by_rsync=True, is_slow=True),
    Case("change-password", _change_password, with_server, at_most=5, earlier="5", by_rsync=True),
    Case("reset-network", _reset_network, with_server, at_most=5, by_rsync=True),
)
