"""Servers come and go, are turned on and off, and are made images of."""

from __future__ import annotations

from compute_core.model.networks import Wish
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import acting, having, with_cached_image, with_server
from tests.compute_core.faults.scene import USER, Scene


async def _snapshot(scene: Scene) -> None:
    await scene.cloud.api_cell.create_image(USER, await scene.uuid(), "copy", {})


async def _order_with_two_interfaces(scene: Scene) -> None:
    await scene.order(networks=(Wish("private"), Wish("private")))


SERVERS = (
    Case("spawn", Scene.order, at_most=18, earlier="92"),
    Case("spawn-cached", Scene.order, with_cached_image, at_most=15, earlier="74"),
    Case("spawn-cached-two-interfaces", _order_with_two_interfaces, with_cached_image, at_most=18, earlier="111"),
    Case("spawn-elsewhere", Scene.order, hosts=2, at_most=18, earlier="92"),
    Case("destroy", Scene.delete, with_server, at_most=8, earlier="33"),
    Case("destroy-suspended", Scene.delete, having("suspend"), at_most=8),
    Case("snapshot", _snapshot, with_server, at_most=10, earlier="32 + 2V + 2P"),
)

POWER = (
    Case("start", acting("start"), having("stop"), at_most=2, earlier="10"),
    Case("stop", acting("stop"), with_server, at_most=2, earlier="3"),
    Case("reboot-soft", acting("reboot_soft"), with_server, at_most=2, earlier="3"),
    Case("reboot-hard", acting("reboot_hard"), with_server, at_most=2, earlier="3"),
    Case("reboot-hard-stopped", acting("reboot_hard"), having("stop"), at_most=2),
    Case("reboot-hard-suspended", acting("reboot_hard"), having("suspend"), also=(having("stop"),), at_most=3),
    Case("pause", acting("pause"), with_server, at_most=2, earlier="2"),
    Case("unpause", acting("unpause"), having("pause"), at_most=2, earlier="2"),
    Case("suspend", acting("suspend"), with_server, at_most=2, earlier="3"),
    Case("resume", acting("resume"), having("suspend"), at_most=2, earlier="3"),
)
