"""Every operation that is put through faults.

To add one: write what the user does as a coroutine over the Scene (``begin``), and what must be there first (``prepare``; it is left
alone until all is quiet). Put a Case into the table of its area, and that table into CASES. Whatever else the world needs, make it in
``prepare`` through ``scene.cloud`` (the core's services), ``scene.fleet`` (the hosts). That is all: the requests are recorded from a
run that nothing disturbs, and every fault is tried at each of them. Try it by

    .venv/bin/pytest tests/compute_core/faults -k NAME
    .venv/bin/python -m tests.compute_core.faults.one NAME              # which requests there are
    .venv/bin/python -m tests.compute_core.faults.one NAME killed 7     # one run, with the core's log
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


SERVERS = (
    Case("spawn", Scene.order),
    Case("spawn-cached", Scene.order, with_cached_image),
    Case("spawn-elsewhere", Scene.order, hosts=2),
    Case("destroy", Scene.delete, with_server),
    Case("snapshot", _snapshot, with_server),
)

POWER = (
    Case("start", acting("start"), having("stop")),
    Case("stop", acting("stop"), with_server),
    Case("reboot-soft", acting("reboot_soft"), with_server),
    Case("reboot-hard", acting("reboot_hard"), with_server),
    Case("reboot-hard-stopped", acting("reboot_hard"), having("stop")),
    Case("reboot-hard-suspended", acting("reboot_hard"), having("suspend"), also=(having("stop"),)),
    Case("pause", acting("pause"), with_server),
    Case("unpause", acting("unpause"), having("pause")),
    Case("suspend", acting("suspend"), with_server),
    Case("resume", acting("resume"), having("suspend")),
    Case("destroy-suspended", Scene.delete, having("suspend")),
)

CASES: Mapping[str, Case] = {case.name: case for case in (*SERVERS, *POWER)}
