"""The actions of the API on a server's power, each as the recipe that does it and the power state that it ends in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from compute_core.compute.volumes import without_bad_volumes
from compute_core.compute.work import Ending, Operation, Work
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN, SUSPENDED
from compute_core.xenapi import power
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import Patience
from compute_core.xenapi.session import XenApi

Recipe = Callable[[XenApi, Place, str, Patience], Awaitable[None]]


def _to(power_state: int, recipe: Recipe) -> Operation:
    async def operation(work: Work) -> Ending:
        host = work.host
        await recipe(host.xapi, host.place, work.vm, host.settings.patience)
        return Ending(power_state)

    return operation


POWER: Mapping[str, Operation] = {
    "start": without_bad_volumes(_to(RUNNING, lambda xapi, place, vm, _: power.start(xapi, place, vm))),
    "stop": _to(SHUTDOWN, lambda xapi, _, vm, patience: power.stop(xapi, vm, patience)),
    "reboot_soft": without_bad_volumes(_to(RUNNING, power.reboot_soft)),
    "reboot_hard": without_bad_volumes(_to(RUNNING, lambda xapi, place, vm, _: power.reboot_hard(xapi, place, vm))),
    "pause": _to(PAUSED, lambda xapi, _, vm, __: power.pause(xapi, vm)),
    "unpause": _to(RUNNING, lambda xapi, _, vm, __: power.unpause(xapi, vm)),
    "suspend": _to(SUSPENDED, lambda xapi, _, vm, __: power.suspend(xapi, vm)),
    "resume": _to(RUNNING, lambda xapi, _, vm, __: power.resume(xapi, vm)),
}
