"""What allowed_operations say is at every moment what the rules say."""

from __future__ import annotations

import asyncio

from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.world import World
from scenarios.bench.host import Host, on_host


def _lies(world: World) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Objects whose stored list is not what the rules would make it."""
    return [
        (cls, row["allowed_operations"], lifecycle.allowed(world, identity))
        for cls, lifecycle in LIFECYCLES.items()
        for identity, row in world.rows(cls)
        if row["allowed_operations"] != lifecycle.allowed(world, identity)
    ]


def test_allowed_operations_never_lie_in_a_vms_life() -> None:
    async def body(host: Host) -> None:
        world = host.xapi.world
        lies: list[object] = []
        world.listeners.append(lambda _generation, _changes: lies.extend(_lies(world)))
        vm = await host.make_vm("web", *host.places())
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(60)
        for method in ("VM.pause", "VM.unpause", "VM.suspend"):
            await host.call(method, vm)
        await host.call("VM.resume", vm, False, False)
        snapshot = await host.call("VM.snapshot", vm, "snap")
        await host.call("VM.set_other_config", vm, {"a": "b"})
        (vbd,) = await host.call("VM.get_VBDs", vm)
        await host.call("VM.hard_shutdown", vm)
        await host.call("VBD.destroy", vbd)
        await host.call("VM.destroy", vm)
        await host.call("VM.destroy", snapshot)
        await host.call("host.disable", world.ref(host.xapi.host))
        assert lies == []

    run_virtual(on_host(body))
