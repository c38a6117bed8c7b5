"""Interfaces that are put through faults: attached and detached, of ports that are made for it and of users' own."""

from __future__ import annotations

from compute_core.model.networks import Wish
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import acting, after
from tests.compute_core.faults.scene import USER, Scene


async def _attach(scene: Scene) -> None:
    await scene.cloud.api_cell.attach_interface(USER, await scene.uuid(), Wish("private"))


async def _make_port(scene: Scene) -> None:
    await scene.cloud.networks.create_port(USER.project_id, Wish("private"), name="mine")


async def _attach_mine(scene: Scene) -> None:
    (port,) = [port for port in await scene.cloud.networks.ports() if port.name == "mine"]
    await scene.cloud.api_cell.attach_interface(USER, await scene.uuid(), Wish(port=port.id))


async def _detach(scene: Scene) -> None:
    """The one that came last."""
    uuid = await scene.uuid()
    server = await scene.cloud.api_cell.get_server(USER, uuid)
    await scene.cloud.api_cell.detach_interface(USER, uuid, server.vifs[-1].id)


INTERFACES = (
    Case("attach-interface", _attach, after(), at_most=4, earlier="37"),
    Case("attach-interface-stopped", _attach, after(acting("stop")), at_most=2, is_slow=True),
    Case("attach-port", _attach_mine, after(_make_port), at_most=4, is_slow=True),
    Case("detach-interface", _detach, after(_attach), at_most=4, earlier="23"),
    Case("detach-port", _detach, after(_make_port, _attach_mine), at_most=4),
)
