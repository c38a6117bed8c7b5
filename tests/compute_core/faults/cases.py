"""Every operation that is put through faults.

To add one: write what the user does as a coroutine over the Scene (``begin``), and what must be there first (``prepare``; it is left
alone until all is quiet). Put a Case into the table of its area, and that table into CASES. Whatever else the world needs, make it in
``prepare`` through ``scene.cloud`` (the core's services), ``scene.fleet`` (the hosts). That is all: the requests are recorded from a
run that nothing disturbs, every fault is tried at each of them, and their count is held to ``at_most``. Try it by

    .venv/bin/pytest tests/compute_core/faults -k NAME
    .venv/bin/python -m tests.compute_core.faults.one NAME              # which requests there are
    .venv/bin/python -m tests.compute_core.faults.one NAME killed 7     # one run, with the core's log; 7+: in the middle of a transfer
    .venv/bin/python -m tests.compute_core.faults.calls                 # write docs/generated/calls.md anew
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.compute_core.faults.case import Case, Deed
from tests.compute_core.faults.scene import USER, Scene


async def with_server(scene: Scene) -> None:
    """A server is there, and runs."""
    await scene.order()


async def with_cached_image(scene: Scene) -> None:
    """The host has had a server of the image."""
    await scene.order("first")
    await scene.quiet()
    await scene.delete("first")


def acting(action: str) -> Deed:
    """The server is acted upon."""
    return lambda scene: scene.act(action)


def having(*actions: str) -> Deed:
    """A server is there, and was acted upon."""

    async def prepare(scene: Scene) -> None:
        await scene.order()
        for action in actions:
            await scene.quiet()
            await scene.act(action)

    return prepare


async def _snapshot(scene: Scene) -> None:
    await scene.cloud.api_cell.create_image(USER, await scene.uuid(), "copy", {})


async def _order_with_two_interfaces(scene: Scene) -> None:
    await scene.order(networks=("private", "private"))


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

CASES: Mapping[str, Case] = {case.name: case for case in (*SERVERS, *POWER)}
