"""The guest's balloon driver: it moves VM_metrics.memory_actual towards memory_target at a rate, while the guest runs and obeys."""

from __future__ import annotations

import asyncio

from fake_xapi.guest.wishes import wishes_of
from fake_xapi.lifecycle.guests import features
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

STEPS = 4
"""How many times the guest reports on the way how far it has got."""
DEADLINE_S = 256.0
"""How long to wait for it at most, and how often to look."""
LOOKS_EVERY_S = 1.0
TOLERANCE_BYTES = 4 << 20
"""A balloon that is closer than this to its target has reached it."""


def follow_target(call: Call, vm: Id) -> None:
    """Move a live VM's balloon to its target, in the background; a guest that has no drivers or is stuck stays where it is."""
    if not obeys(call, vm):
        return
    seconds = call.lasts("guest.balloon")
    if seconds:
        call.spawn(f"balloon {vm}", _inflate(call, vm, call.world[vm]["domid"], seconds))
    else:
        _say(call, vm, call.world[vm]["memory_target"])


def obeys(call: Call, vm: Id) -> bool:
    """Whether the guest has a balloon driver that does as it is told."""
    row = call.world[vm]
    return row["power_state"] == "Running" and wishes_of(row["other_config"]).balloon.how == "obey" and bool(features(call.world, row))


def is_there(call: Call, vm: Id) -> bool:
    """Whether the balloon has reached its target, or there is none."""
    row = call.world[vm]
    metrics = call.world.get(row["metrics"])
    return metrics is None or row["power_state"] != "Running" or abs(metrics["memory_actual"] - row["memory_target"]) < TOLERANCE_BYTES


async def _inflate(call: Call, vm: Id, domid: int, seconds: float) -> None:
    begin: int = call.world[call.world[vm]["metrics"]]["memory_actual"]
    for step in range(1, STEPS + 1):
        await asyncio.sleep(seconds / STEPS)
        row = call.world.get(vm)
        if row is None or row["domid"] != domid:
            return
        _say(call, vm, begin + (row["memory_target"] - begin) * step // STEPS)


def _say(call: Call, vm: Id, actual: int) -> None:
    with call.world.edit() as edit:
        edit.set(edit[vm]["metrics"], memory_actual=actual, last_updated=call.now())
