"""A running VM moves to another host of its pool, its memory over the wire while it runs."""

from __future__ import annotations

from fake_xapi.guest.life import begin_life
from fake_xapi.state.ids import Id
from fake_xapi.verbs import domains, placement
from fake_xapi.verbs.call import Call


async def move(call: Call, vm: Id, host: Id) -> None:
    """Move a VM to a host that has been chosen for it. Failures as for a start there, should that have changed meanwhile."""
    async with call.operating((vm, "pool_migrate"), (host, "vm_migrate")):
        failure = placement.refusal(call.world, vm, host)
        if failure is not None:
            raise failure
        await call.takes("VM.pool_migrate", bytes_moved=call.world[vm]["memory_target"])
        is_running = call.world[vm]["power_state"] == "Running"
        with call.world.edit() as edit:
            domid = domains.arrive(call, edit, vm, host)
            name = call.world[vm]["name_label"]
            call.announce("VM_MIGRATED", vm, f"VM '{name}' migrated to host {call.world[host]['name_label']}")
        if is_running:
            begin_life(call, vm, domid)
