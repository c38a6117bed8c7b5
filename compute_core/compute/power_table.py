"""The actions of the API on a server's power, each as the recipe that does it and the power state that it ends in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN, SUSPENDED
from compute_core.xenapi import power
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import Patience
from compute_core.xenapi.session import XenApi

Recipe = Callable[[XenApi, Place, str, Patience], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PowerAction:
    """``recipe(xapi, place, vm, patience)``."""

    recipe: Recipe
    power_state: int


POWER_ACTIONS: Mapping[str, PowerAction] = {
    "start": PowerAction(lambda xapi, place, vm, _: power.start(xapi, place, vm), RUNNING),
    "stop": PowerAction(lambda xapi, _, vm, patience: power.stop(xapi, vm, patience), SHUTDOWN),
    "reboot_soft": PowerAction(power.reboot_soft, RUNNING),
    "reboot_hard": PowerAction(lambda xapi, place, vm, _: power.reboot_hard(xapi, place, vm), RUNNING),
    "pause": PowerAction(lambda xapi, _, vm, __: power.pause(xapi, vm), PAUSED),
    "unpause": PowerAction(lambda xapi, _, vm, __: power.unpause(xapi, vm), RUNNING),
    "suspend": PowerAction(lambda xapi, _, vm, __: power.suspend(xapi, vm), SUSPENDED),
    "resume": PowerAction(lambda xapi, _, vm, __: power.resume(xapi, vm), RUNNING),
}
