"""The text on a guest's console: what it has printed since its last boot or, where that was not kept, what its rows imply."""

from __future__ import annotations

from fake_xapi.guest import machine
from fake_xapi.guest.prints import printed
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


def console_text(world: World, vm: Id) -> str:
    """The console of the VM's present domain, or of its last one when it is halted."""
    kept = machine.machine(world, vm)
    return kept["console"] if kept is not None and kept["console"] else _implied(world, vm)


def _implied(world: World, vm: Id) -> str:
    """The console of a guest that was never booted but created running: a populated world has many."""
    row = world[vm]
    guest = world.get(row["guest_metrics"])
    names = ["loader", "kernel"] if row["power_state"] != "Halted" or guest is not None else []
    if guest is not None:
        names += ["drivers", "network"]
        names += ["login"] if guest["live"] else []
    return printed(world, vm, (*names, *(["halt"] if names and row["power_state"] == "Halted" else [])))
